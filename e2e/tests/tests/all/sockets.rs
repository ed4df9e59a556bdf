//! `wasi:sockets`: refused by name without a grant; with one, what it names can be reached and nothing else, by address, by name,
//! by TCP and by UDP.

use serde_json::{Value, json};
use shoal_e2e::manifest::single;
use shoal_e2e::outside::Outside;
use shoal_e2e::{Shoal, Up, get};

async fn granted(rules: Value) -> Shoal {
    let grant = json!({"capabilities": {"network": {"outbound": rules}}});
    Shoal::up(&single("sockets", "http_sockets", grant)).await
}

/// The one line that the guest answers.
async fn ask(shoal: &Shoal, query: &str) -> String {
    let answer = get(shoal.address(), &format!("/?{query}")).await;
    assert_eq!((answer.status, &answer.cut), (200, &None), "{}", answer.text());
    answer.text().trim_end().to_owned()
}

#[track_caller]
fn refused(line: &str) {
    assert!(line.contains("PermissionDenied"), "not refused: {line}");
}

#[test]
fn without_a_grant_the_import_is_refused_with_the_line_that_grants_it() {
    for guest in ["http_sockets", "hostile_sockets_import"] {
        let ended = Up::new().manifest(&single("sockets", guest, json!({}))).fails();
        let line = "spec.components[0].capabilities.network: {outbound: [{host: HOST, ports: [PORT]}]}";
        ended.failed(
            1,
            &[
                "component web can't run here: grant it",
                "wasi:sockets/network@0.2",
                line,
            ],
        );
        assert_eq!(ended.stdout, "", "it must not come up");
    }
}

#[tokio::test]
async fn an_address_and_port_that_are_granted_connect_and_no_others_do() {
    let (granted_one, other) = (Outside::tcp().await, Outside::tcp().await);
    let elsewhere = Outside::tcp_on("127.0.0.2".parse().unwrap()).await;
    let shoal = granted(json!([{"host": "127.0.0.1", "ports": [granted_one.port()]}])).await;
    let line = ask(&shoal, &format!("addr={}", granted_one.address)).await;
    assert_eq!(line, format!("tcp {}: ok pong", granted_one.address));

    refused(&ask(&shoal, &format!("addr={}", other.address)).await);
    refused(&ask(&shoal, &format!("addr={}", elsewhere.address)).await);
    // Other spellings of an address that is not granted, and addresses that stand for this machine.
    for address in [
        format!("[::ffff:127.0.0.2]:{}", elsewhere.port()),
        format!("0.0.0.0:{}", other.port()),
        format!("[::]:{}", other.port()),
        format!("[::1]:{}", other.port()),
        "169.254.169.254:80".to_owned(),
        "10.0.0.1:80".to_owned(),
        "255.255.255.255:80".to_owned(),
    ] {
        let line = ask(&shoal, &format!("addr={address}")).await;
        assert!(line.contains("error"), "{line}");
    }
    assert_eq!((other.seen(), elsewhere.seen()), (0, 0), "something arrived");
    // Whoever runs the service is told what to write.
    shoal
        .says(
            "sockets",
            &format!("{{host: 127.0.0.1, ports: [{}]}}", other.port()),
        )
        .await;
}

#[tokio::test]
async fn names_that_are_not_granted_are_not_even_asked_for() {
    let server = Outside::tcp().await;
    let shoal = granted(json!([{"host": "127.0.0.1", "ports": [server.port()]}])).await;
    for name in ["localhost", "example.com", "metadata.google.internal"] {
        let line = ask(&shoal, &format!("name={name}")).await;
        assert!(line.contains("error"), "{line}");
        shoal.says("sockets", name).await;
    }
    let line = ask(&shoal, &format!("addr=localhost:{}", server.port())).await;
    assert!(
        line.contains("error"),
        "the name of a granted address is not granted: {line}"
    );
    assert_eq!(server.seen(), 0);
}

#[tokio::test]
async fn a_granted_name_resolves_and_connects_where_private_addresses_are_allowed() {
    let (server, other) = (Outside::tcp().await, Outside::tcp().await);
    let shoal = granted(json!([{"host": "localhost", "ports": [server.port()], "allowPrivate": true}])).await;
    assert!(ask(&shoal, "name=localhost").await.contains("127.0.0.1"));
    let line = ask(&shoal, &format!("addr=localhost:{}", server.port())).await;
    assert!(line.ends_with("ok pong"), "{line}");
    assert!(
        ask(&shoal, "name=LocalHost").await.contains("127.0.0.1"),
        "names know no case"
    );
    refused(&ask(&shoal, &format!("addr=localhost:{}", other.port())).await);
    // The address alone, in an instance that was not told it for the name.
    refused(&ask(&shoal, &format!("addr={}", server.address)).await);
    assert_eq!((server.seen(), other.seen()), (1, 0));
}

#[tokio::test]
async fn a_granted_name_with_a_private_address_is_refused_unless_that_is_allowed() {
    let server = Outside::tcp().await;
    let shoal = granted(json!([{"host": "localhost", "ports": [server.port()]}])).await;
    let line = ask(&shoal, "name=localhost").await;
    assert!(line.contains("error") && !line.contains("127.0.0.1"), "{line}");
    let line = ask(&shoal, &format!("addr=localhost:{}", server.port())).await;
    assert!(line.contains("error"), "{line}");
    assert_eq!(server.seen(), 0);
    shoal.says("sockets", "allowPrivate: true").await;
}

#[tokio::test]
async fn a_range_grants_its_addresses() {
    let (inside, outside) = (
        Outside::tcp_on("127.0.0.3".parse().unwrap()).await,
        Outside::tcp_on("127.0.0.9".parse().unwrap()).await,
    );
    let shoal = granted(json!([{"host": "127.0.0.0/29", "ports": [inside.port(), outside.port()]}])).await;
    assert!(
        ask(&shoal, &format!("addr={}", inside.address))
            .await
            .ends_with("ok pong")
    );
    refused(&ask(&shoal, &format!("addr={}", outside.address)).await);
    assert_eq!(outside.seen(), 0);
}

#[tokio::test]
async fn datagrams_go_where_udp_is_granted_and_nowhere_else() {
    let (server, other) = (Outside::udp().await, Outside::udp().await);
    let shoal = granted(json!([{"host": "127.0.0.1", "ports": [server.port()], "protocols": ["UDP"]}])).await;
    let line = ask(&shoal, &format!("udp={}", server.address)).await;
    assert!(line.contains("ok pong"), "{line}");
    let line = ask(&shoal, &format!("udp={}", other.address)).await;
    assert!(line.contains("error"), "{line}");
    assert_eq!((server.seen(), other.seen()), (1, 0));
    // The same port by TCP is another grant.
    let tcp = ask(&shoal, &format!("addr={}", server.address)).await;
    assert!(tcp.contains("error"), "{tcp}");

    let shoal = granted(json!([{"host": "127.0.0.1", "ports": [server.port()]}])).await;
    let line = ask(&shoal, &format!("udp={}", server.address)).await;
    assert!(line.contains("error"), "TCP is granted, and UDP is not: {line}");
    assert_eq!(server.seen(), 1);
}

#[tokio::test]
async fn nobody_may_listen() {
    let server = Outside::tcp().await;
    let shoal =
        granted(json!([{"host": "127.0.0.1", "ports": [server.port()], "protocols": ["TCP", "UDP"]}])).await;
    for address in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0", "0.0.0.0:8099"] {
        let line = ask(&shoal, &format!("listen={address}")).await;
        assert!(line.contains("error"), "{line}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_apart_from_one_that_is_not_granted() {
    let port = shoal_e2e::outside::unused_port();
    let shoal = granted(json!([{"host": "127.0.0.1", "ports": [port]}])).await;
    let line = ask(&shoal, &format!("addr=127.0.0.1:{port}")).await;
    assert!(line.contains("ConnectionRefused"), "{line}");
}
