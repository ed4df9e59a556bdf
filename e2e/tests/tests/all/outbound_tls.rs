//! Outgoing HTTPS, HTTP/2 and gRPC, by `wasi:http` 0.2 and 0.3: whom a component trusts, who it is, and which connections it keeps.

use serde_json::{Value, json};
use shoal_e2e::manifest::{config_map, secret, single};
use shoal_e2e::secure::{Authority, Secure};
use shoal_e2e::{Shoal, Up, component, get, service};

const GUESTS: [&str; 2] = ["http_call", "http3_call"];

/// Rules for servers on `localhost`.
fn local(ports: &[u16]) -> Value {
    json!([{"host": "localhost", "ports": ports, "allowPrivate": true}])
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_the_manifest_says_so() {
    let authority = Authority::default();
    let server = Secure::https(&authority, &["http/1.1"], None).await;
    let url = format!("/?url=https://localhost:{}/", server.port());
    let from = [
        json!({"value": authority.pem()}),
        json!({"valueFrom": {"configMapKeyRef": {"name": "corp", "key": "ca.crt"}}}),
        json!({"valueFrom": {"secretKeyRef": {"name": "corp", "key": "ca.crt"}}}),
    ];
    for guest in GUESTS {
        let without = json!({"capabilities": {"network": {"outbound": local(&[server.port()])}}});
        let without = Shoal::up(&single("client", guest, without)).await;
        get(without.address(), &url).await.has(200, "TlsCertificateError");
        let place = format!("network: https://localhost:{}: TLS: ", server.port());
        without.says("client", &place).await;
        for ca in &from {
            let network = json!({
                "outbound": local(&[server.port()]),
                "tls": [
                    {"hosts": ["other.example"], "ca": {"value": Authority::default().pem()}},
                    {"hosts": ["localhost"], "ca": ca},
                ],
            });
            let service = single("client", guest, json!({"capabilities": {"network": network}}));
            let objects = json!({"ca.crt": authority.pem()});
            let with = service + &secret("corp", objects.clone()) + &config_map("corp", objects);
            let with = Shoal::up(&with).await;
            get(with.address(), &url).await.has(200, "HTTP/1.1 GET /");
        }
    }
}

#[tokio::test]
async fn a_server_that_asks_who_the_client_is_is_told() {
    let authority = Authority::default();
    let server = Secure::https(&authority, &["h2"], Some(&authority)).await;
    let url = format!("/?url=https://localhost:{}/", server.port());
    let own = authority.issue("client");
    let up = async |mut rule: Value| {
        rule["hosts"] = json!(["localhost"]);
        rule["ca"] = json!({"value": authority.pem()});
        let network = json!({"outbound": local(&[server.port()]), "tls": [rule]});
        let service = single(
            "client",
            "http_call",
            json!({"capabilities": {"network": network}}),
        );
        let pair = json!({"tls.crt": own.certificate(), "tls.key": own.key()});
        Shoal::up(&(service + &secret("own", pair))).await
    };
    let with = up(json!({"clientCertificate": {"secretName": "own"}})).await;
    get(with.address(), &url)
        .await
        .has(200, "HTTP/2.0 GET https://localhost");
    let without = up(json!({})).await;
    get(without.address(), &url).await.has(200, "error: ");
}

#[test]
fn what_is_no_certificate_is_told_with_its_field() {
    let own = Authority::default().issue("client");
    let other = Authority::default().issue("client");
    let at = "spec.components[0].capabilities.network.tls[0]";
    let table = [
        (
            json!({"hosts": ["a.example"], "ca": {"value": "nothing"}}),
            "ca.value",
            "certificate",
        ),
        (
            json!({"hosts": ["a.example", "a.*"], "ca": {"value": own.certificate()}}),
            "hosts[1]",
            "host",
        ),
        (
            json!({"hosts": ["a.example"], "clientCertificate": {"secretName": "nothing"}}),
            "clientCertificate.secretName",
            "tls.crt",
        ),
        (
            json!({"hosts": ["a.example"], "clientCertificate": {"secretName": "mixed"}}),
            "clientCertificate.secretName",
            "belong together",
        ),
        (
            json!({"hosts": ["a.example"], "clientCertificate": {"secretName": "missing"}}),
            "clientCertificate.secretName",
            "no Secret missing",
        ),
    ];
    for (rule, field, says) in table {
        let network = json!({"outbound": [], "tls": [rule]});
        let service = single(
            "client",
            "http_call",
            json!({"capabilities": {"network": network}}),
        );
        let nothing = secret("nothing", json!({"tls.crt": "nothing", "tls.key": "nothing"}));
        let mixed = secret(
            "mixed",
            json!({"tls.crt": own.certificate(), "tls.key": other.key()}),
        );
        Up::new()
            .manifest(&(service + &nothing + &mixed))
            .fails()
            .failed(2, &[&format!("{at}.{field}"), says]);
    }
}

#[tokio::test]
async fn a_call_of_grpc_goes_over_http_2_with_trailers_both_ways() {
    let authority = Authority::default();
    let (tls, plain) = (
        Secure::https(&authority, &["h2"], None).await,
        Secure::plain().await,
    );
    let network = json!({
        "outbound": local(&[tls.port(), plain.port()]),
        "tls": [{"hosts": ["localhost"], "ca": {"value": authority.pem()}}],
    });
    for guest in GUESTS {
        let shoal = Shoal::up(&single(
            "client",
            guest,
            json!({"capabilities": {"network": network}}),
        ))
        .await;
        for (scheme, port) in [("https", tls.port()), ("http", plain.port())] {
            let url = format!("{scheme}://localhost:{port}/greet.Greeter/Hello");
            let call = format!(
                "/?method=POST&header=content-type:application/grpc&body=message&trailer=checksum:7&url={url}"
            );
            let answer = get(shoal.address(), &call).await;
            answer.has(200, "te=trailers body=message\n");
            answer.has(200, &format!("HTTP/2.0 POST {url}"));
            answer.has(200, "trailer: grpc-status: 0\n");
            answer.has(200, "trailer: got-checksum: 7\n");
        }
    }
}

#[tokio::test]
async fn connections_are_kept_for_the_same_component_and_no_other() {
    let authority = Authority::default();
    for protocol in ["h2", "http/1.1"] {
        let server = Secure::https(&authority, &[protocol], None).await;
        let grant = json!({"capabilities": {"network": {
            "outbound": local(&[server.port()]),
            "tls": [{"hosts": ["localhost"], "ca": {"value": authority.pem()}}],
        }}});
        let one = component("one", "http_outbound", grant.clone());
        let two = component("two", "http_outbound", grant);
        let both = service("both", &[("/one", one), ("/two", two)], json!({}));
        let shoal = Shoal::up(&both).await;
        let url = format!("?url=https://localhost:{}/", server.port());
        for _ in 0..10 {
            get(shoal.address(), &format!("/one{url}")).await.has(200, "GET");
            get(shoal.address(), &format!("/two{url}")).await.has(200, "GET");
        }
        assert_eq!(server.connections(), 2, "{protocol}");
    }
}
