//! Outgoing HTTP, by `wasi:http` 0.2 and 0.3: what is granted is relayed, all else is denied by the error code that says so.

use ::http::Method;
use futures::SinkExt;
use serde_json::{Value, json};
use shoal_e2e::binaries::guest;
use shoal_e2e::client::{part, request, upload};
use shoal_e2e::manifest::single;
use shoal_e2e::outside::Outside;
use shoal_e2e::{Client, Shoal, Up, get, run};

const GUESTS: [&str; 2] = ["http_outbound", "http3_outbound"];

async fn granted(guest: &str, rules: Value) -> Shoal {
    Shoal::up(&single(
        "client",
        guest,
        json!({"capabilities": {"network": {"outbound": rules}}}),
    ))
    .await
}

#[test]
fn without_a_grant_the_import_is_refused_with_the_line_that_grants_it() {
    for (guest, import) in [
        ("http_outbound", "wasi:http/outgoing-handler@0.2"),
        ("http3_outbound", "wasi:http/client@0.3"),
    ] {
        let line = "spec.components[0].capabilities.network: {outbound: [{host: HOST, ports: [443]}]}";
        Up::new()
            .manifest(&single("client", guest, json!({})))
            .fails()
            .failed(1, &[import, line]);
    }
}

#[tokio::test]
async fn what_is_granted_is_reached_and_all_else_denied() {
    for guest in GUESTS {
        let (server, other) = (Outside::http().await, Outside::http().await);
        let elsewhere = Outside::tcp_on("127.0.0.2".parse().unwrap()).await;
        let shoal = granted(guest, json!([{"host": "127.0.0.1", "ports": [server.port()]}])).await;
        get(shoal.address(), &format!("/?url=http://{}/", server.address))
            .await
            .is(200, "hello from outside\n");
        let denied = [
            format!("http://{}/", other.address),
            format!("http://{}/", elsewhere.address),
            format!("http://localhost:{}/", server.port()),
            "http://169.254.169.254/latest/meta-data".to_owned(),
            "http://example.com/".to_owned(),
            format!("http://[::ffff:127.0.0.2]:{}/", elsewhere.port()),
        ];
        for url in denied {
            let answer = get(shoal.address(), &format!("/?url={url}")).await;
            assert!(
                answer.status == 502 && answer.text().contains("HttpRequestDenied"),
                "{guest} {url}: {}",
                answer.text()
            );
        }
        // What looks like a granted host and is the user's name of another.
        let disguised = format!("http://{}@{}/", server.address, other.address);
        get(shoal.address(), &format!("/?url={disguised}"))
            .await
            .has(502, "error");
        assert_eq!(
            (server.seen(), other.seen(), elsewhere.seen()),
            (1, 0, 0),
            "{guest}"
        );
        shoal
            .says(
                "client",
                &format!("{{host: 127.0.0.1, ports: [{}]}}", other.port()),
            )
            .await;
    }
}

#[tokio::test]
async fn a_private_address_behind_a_name_needs_a_word_of_its_own() {
    for guest in GUESTS {
        let server = Outside::http().await;
        let url = format!("/?url=http://localhost:{}/", server.port());
        let without = granted(guest, json!([{"host": "localhost", "ports": [server.port()]}])).await;
        get(without.address(), &url).await.has(502, "HttpRequestDenied");
        assert_eq!(server.seen(), 0);
        let with = granted(
            guest,
            json!([{"host": "localhost", "ports": [server.port()], "allowPrivate": true}]),
        )
        .await;
        get(with.address(), &url).await.is(200, "hello from outside\n");
    }
}

#[tokio::test]
async fn requests_and_answers_are_relayed_whole() {
    let echo = Shoal::up(&single("echo", "http_echo", json!({}))).await;
    let port = echo.address().port();
    let shoal = granted("http_outbound", json!([{"host": "127.0.0.1", "ports": [port]}])).await;
    let target = format!("/?url=http://127.0.0.1:{port}/a%3Fb=c&method=POST&body=");
    let answer = get(shoal.address(), &(target.clone() + &"x".repeat(10_000))).await;
    answer.is(200, &"x".repeat(10_000));
    get(shoal.address(), &format!("/?url=http://127.0.0.1:{port}/"))
        .await
        .is(200, "");
    let status = Shoal::up(&single("status", "http_status", json!({}))).await;
    let port = status.address().port();
    for guest in GUESTS {
        let shoal = granted(guest, json!([{"host": "127.0.0.1", "ports": [port]}])).await;
        // Errors of the other side are answers, not errors of the client.
        assert_eq!(
            get(
                shoal.address(),
                &format!("/?url=http://127.0.0.1:{port}/?code=404")
            )
            .await
            .status,
            404
        );
    }
}

#[tokio::test]
async fn a_long_answer_streams_through_and_a_cut_one_arrives_cut() {
    let source = Shoal::up(&single(
        "source",
        "http_source",
        json!({"limits": {"responseBody": "64Mi"}}),
    ))
    .await;
    let cut = Shoal::up(&single("cut", "hostile_trap_mid_body", json!({}))).await;
    let ports = [source.address().port(), cut.address().port()];
    for guest in GUESTS {
        let shoal = granted(guest, json!([{"host": "127.0.0.1", "ports": ports}])).await;
        let answer = get(
            shoal.address(),
            &format!("/?url=http://127.0.0.1:{}/?bytes={}", ports[0], 20 << 20),
        )
        .await;
        assert_eq!(
            (answer.status, answer.body.len(), &answer.cut),
            (200, 20 << 20, &None),
            "{guest}"
        );
        let answer = get(shoal.address(), &format!("/?url=http://127.0.0.1:{}/", ports[1])).await;
        assert!(
            answer.cut.is_some() || answer.status >= 500,
            "{guest}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_no_server_or_not_there_is_an_error_code() {
    let nobody = shoal_e2e::outside::unused_port();
    let gibberish = Outside::tcp().await;
    let rules = json!([{"host": "127.0.0.1", "ports": [nobody, gibberish.port()]}]);
    for guest in GUESTS {
        let shoal = granted(guest, rules.clone()).await;
        get(shoal.address(), &format!("/?url=http://127.0.0.1:{nobody}/"))
            .await
            .has(502, "ConnectionRefused");
        get(shoal.address(), &format!("/?url=http://{}/", gibberish.address))
            .await
            .has(502, "error");
    }
}

#[tokio::test]
async fn connections_are_given_back_when_their_answers_are_read() {
    let server = Outside::http().await;
    let grant = json!({
        "capabilities": {"network": {"outbound": [{"host": "127.0.0.1", "ports": [server.port()]}]}},
        "limits": {"outboundConnections": 1},
        "reuse": {"maxRequests": 1000, "idleTimeout": "1h"},
    });
    let shoal = Shoal::up(&single("client", "http_outbound", grant)).await;
    let mut client = Client::h1(shoal.address()).await;
    for _ in 0..30 {
        client
            .get(&format!("/?url=http://{}/", server.address))
            .await
            .is(200, "hello from outside\n");
    }
    assert_eq!(server.seen(), 1, "the connection is kept");
}

#[tokio::test]
async fn an_upload_to_a_client_component_may_be_ignored() {
    let server = Outside::http().await;
    let shoal = granted(
        "http_outbound",
        json!([{"host": "127.0.0.1", "ports": [server.port()]}]),
    )
    .await;
    let (mut sender, body) = upload();
    let mut client = Client::h1(shoal.address()).await;
    let call = request(Method::POST, &format!("/?url=http://{}/", server.address), body);
    let sending = async move {
        for _ in 0..10 {
            if sender.send(part(vec![0; 1000])).await.is_err() {
                return;
            }
        }
    };
    let (answer, ()) = futures::future::join(client.call(call), sending).await;
    answer.is(200, "hello from outside\n");
}

/// The peer has answered and closed before the guest has written its empty body, or while it writes it.
#[tokio::test]
async fn gets_to_a_server_that_answers_and_closes_at_once_all_succeed() {
    let server = Outside::http_closing().await;
    let shoal = granted(
        "http_gets",
        json!([{"host": "127.0.0.1", "ports": [server.port()]}]),
    )
    .await;
    for _ in 0..20 {
        let url = format!("/?count=100&url=http://{}/", server.address);
        get(shoal.address(), &url).await.is(200, "ok\n");
    }
    assert_eq!(server.seen(), 2000);
    let url = format!("http://{}/", server.address);
    let allow = server.address.to_string();
    let ended = tokio::task::spawn_blocking(move || {
        run(&[
            "run",
            "--allow",
            &allow,
            guest("command_gets").to_str().unwrap(),
            &url,
            "2000",
        ])
    });
    let ended = ended.await.unwrap();
    ended.succeeded();
    assert_eq!((ended.stdout.as_str(), server.seen()), ("ok\n", 4000));
}

#[tokio::test]
async fn an_empty_path_is_sent_as_a_slash() {
    let server = Outside::http_mirror().await;
    let rules = json!([{"host": "127.0.0.1", "ports": [server.port()]}]);
    for guest in ["http_outbound", "http_call", "http3_outbound", "http3_call"] {
        let shoal = granted(guest, rules.clone()).await;
        for (path, sent) in [("", "/"), ("/", "/"), ("/x", "/x"), ("?", "/?"), ("?a", "/?a")] {
            let url = format!("/?url=http://{}{path}", server.address);
            get(shoal.address(), &url)
                .await
                .has(200, &format!("GET {sent} HTTP/1.1\r\n"));
        }
    }
}

#[tokio::test]
async fn a_request_body_of_the_wrong_length_is_told_as_such() {
    let server = Outside::http_mirror().await;
    let rules = json!([{"host": "127.0.0.1", "ports": [server.port()]}]);
    for guest in ["http_call", "http3_call"] {
        let shoal = granted(guest, rules.clone()).await;
        let sent = async |length: usize, body: &str| {
            let url = format!(
                "/?method=POST&header=content-length:{length}&body={body}&url=http://{}/",
                server.address
            );
            get(shoal.address(), &url).await.text()
        };
        let right = sent(3, "abc").await;
        assert!(
            right.contains("status: 200") && !right.contains("error"),
            "{guest}: {right}"
        );
        let short = sent(5, "abc").await;
        assert!(
            short.contains("error: ErrorCode::HttpRequestBodySize(Some(3))"),
            "{guest}: {short}"
        );
        // What was announced is all that the server gets; the guest learns of the rest where it wrote it.
        let long = sent(2, "abc").await;
        assert!(long.contains("HttpRequestBodySize(Some(3))"), "{guest}: {long}");
    }
}

#[tokio::test]
async fn what_fails_is_in_the_log_with_the_host_and_the_reason() {
    let nobody = shoal_e2e::outside::unused_port();
    let gibberish = Outside::tcp().await;
    let rules = json!([
        {"host": "127.0.0.1", "ports": [nobody, gibberish.port()]},
        {"host": "nobody.invalid", "ports": [80]},
    ]);
    for guest in GUESTS {
        let shoal = granted(guest, rules.clone()).await;
        let answer = get(shoal.address(), "/?url=http://nobody.invalid/").await;
        answer.has(502, "DnsError");
        answer.has(502, "nobody.invalid");
        shoal
            .says("client", "network: cannot resolve nobody.invalid: ")
            .await;
        get(shoal.address(), &format!("/?url=http://127.0.0.1:{nobody}/"))
            .await
            .has(502, "ConnectionRefused");
        shoal
            .says(
                "client",
                &format!("network: cannot connect to 127.0.0.1:{nobody}: "),
            )
            .await;
        get(shoal.address(), &format!("/?url=http://{}/", gibberish.address))
            .await
            .has(502, "error");
        let place = format!("network: http://{}: ", gibberish.address);
        shoal.says("client", &place).await;
        get(shoal.address(), &format!("/?url=https://{}/", gibberish.address))
            .await
            .has(502, "error");
        let place = format!("network: https://{}: TLS: ", gibberish.address);
        shoal.says("client", &place).await;
    }
}
