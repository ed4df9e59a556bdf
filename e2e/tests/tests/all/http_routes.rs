//! Routes as users of Spin and Gateway API write them, and what a component learns of proxies before it.

use ::http::Request;
use serde_json::{Value, json};
use shoal_e2e::client::empty;
use shoal_e2e::manifest::single;
use shoal_e2e::raw::exchange;
use shoal_e2e::{Client, Shoal, Up, component, get, service};

/// A service with these routes: a path, and whether it is exact. The component of each says which it is.
fn routed(routes: &[(&str, bool)]) -> String {
    let config = |path: &str, exact: bool| {
        let name = if exact {
            format!("={path}")
        } else {
            path.to_owned()
        };
        json!({"capabilities": {"config": [{"name": "route", "value": name}]}})
    };
    let named: Vec<_> = (0..routes.len()).map(|at| format!("c{at}")).collect();
    let components: Vec<(&str, Value)> = routes
        .iter()
        .zip(&named)
        .map(|((path, exact), name)| ("", component(name, "http_config", config(path, *exact))))
        .collect();
    let triggers: Vec<Value> = routes
        .iter()
        .zip(&named)
        .map(|((path, exact), name)| {
            let kind = if *exact { "Exact" } else { "Prefix" };
            json!({"name": name, "component": name, "http": {"path": path, "pathType": kind}})
        })
        .collect();
    service("routed", &components, json!({ "triggers": triggers }))
}

#[tokio::test]
async fn a_table_as_users_of_spin_and_gateway_api_write_it() {
    let shoal = Shoal::up(&routed(&[
        ("/", true),
        ("/...", false),
        ("/users/:id", true),
        ("/users/:id/edit", false),
        ("/users/me", false),
        ("/static/...", false),
        ("/a%20b", false),
    ]))
    .await;
    for (target, route) in [
        ("/", "=/"),
        ("/other", "/..."),
        ("/users", "/..."),
        ("/users/7", "=/users/:id"),
        ("/users/7/edit", "/users/:id/edit"),
        ("/users/7/edit/name", "/users/:id/edit"),
        ("/users/7/delete", "/..."),
        ("/users/me/edit", "/users/me"),
        ("/static/a/b.css", "/static/..."),
        ("/a%20b", "/a%20b"),
        // However it is written.
        ("/%75sers/%6de", "/users/me"),
        ("/x/../users/./me", "/users/me"),
        ("//users//me", "/users/me"),
        ("/users%2Fme", "/..."),
    ] {
        for mut client in [
            Client::h1(shoal.address()).await,
            Client::h2(shoal.address()).await,
        ] {
            client.get(target).await.is(200, &format!("route={route}\n"));
        }
    }
}

#[test]
fn routes_that_are_the_same_and_paths_that_never_match_are_refused() {
    let refused = |routes: &[(&str, bool)], says: &[&str]| {
        Up::new().manifest(&routed(routes)).fails().failed(2, says);
    };
    refused(
        &[("/users/:id", false), ("/users/:name/...", false)],
        &[
            "spec.triggers[1].http.path",
            "the same route as that of trigger c0",
        ],
    );
    refused(
        &[("/users/*/edit", false)],
        &[
            "spec.triggers[0].http.path",
            "write :name for one segment, as in /users/:id/edit",
        ],
    );
    refused(&[("//x", false)], &["holds an empty segment"]);
}

async fn asked(at: std::net::SocketAddr, target: &str, headers: &[(&str, &str)]) -> shoal_e2e::Answer {
    let mut request = Request::get(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Client::h1(at).await.call(request.body(empty()).unwrap()).await
}

#[tokio::test]
async fn a_clients_address_comes_through_two_proxies() {
    let two = ("", component("two", "http_echo", json!({})));
    let three = ("", component("three", "http3_echo", json!({})));
    let trusting = json!({"triggers": [
        {"name": "two", "component": "two", "http": {"path": "/two", "trustedProxies": ["127.0.0.1", "192.0.2.0/24"]}},
        {"name": "three", "component": "three", "http": {"path": "/three", "trustedProxies": ["127.0.0.1", "192.0.2.0/24"]}},
        {"name": "plain", "component": "two", "http": {"path": "/plain"}},
    ]});
    let shoal = Shoal::up(&service("proxied", &[two, three], trusting)).await;
    let at = shoal.address();
    // From the client by an outer proxy at 192.0.2.7, which adds what it sees, and by one on this machine, which adds that.
    let sent = [
        ("x-forwarded-for", "6.6.6.6, 203.0.113.9"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example"),
    ];
    for target in ["/two", "/three"] {
        let answer = asked(at, target, &sent).await;
        answer.is(200, "");
        assert_eq!(
            answer.header("echo-x-forwarded-for"),
            "203.0.113.9, 192.0.2.7, 127.0.0.1",
            "{target}"
        );
        assert_eq!(answer.header("echo-x-forwarded-proto"), "https");
        assert_eq!(answer.header("echo-x-forwarded-host"), "shop.example");
        assert_eq!(answer.header("echo-scheme"), "https", "{target}");
        assert_eq!(answer.header("echo-authority"), at.to_string());
        let answer = asked(
            at,
            target,
            &[("forwarded", "for=203.0.113.9;proto=https, for=192.0.2.7")],
        )
        .await;
        assert_eq!(
            answer.header("echo-x-forwarded-for"),
            "203.0.113.9, 192.0.2.7, 127.0.0.1"
        );
        assert_eq!(
            (answer.header("echo-scheme"), answer.header("echo-forwarded")),
            ("https", "")
        );
    }
    // Nobody is trusted unless the manifest says so.
    let answer = asked(at, "/plain", &sent).await;
    answer.is(200, "");
    assert_eq!(answer.header("echo-x-forwarded-for"), "127.0.0.1");
    assert_eq!(answer.header("echo-scheme"), "http");
    for name in ["echo-x-forwarded-proto", "echo-x-forwarded-host"] {
        assert_eq!(answer.header(name), "", "{name}");
    }
}

#[tokio::test]
async fn a_websocket_is_refused_in_words_and_other_upgrades_are_passed_over() {
    let shoal = Shoal::up(&single("hello", "http_hello", json!({}))).await;
    let handshake = |protocol: &str| {
        format!(
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: close, Upgrade\r\nupgrade: {protocol}\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    };
    let refused = exchange(shoal.address(), handshake("WebSocket")).await;
    assert!(refused.starts_with("HTTP/1.1 501 "), "{refused}");
    assert!(refused.contains("WebSocket is not supported"), "{refused}");
    let passed = exchange(shoal.address(), handshake("h2c")).await;
    assert!(
        passed.starts_with("HTTP/1.1 200 ") && passed.contains("hello, world"),
        "{passed}"
    );
    get(shoal.address(), "/").await.is(200, "hello, world\n");
}
