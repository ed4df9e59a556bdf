//! Requests over real connections on loopback, to servers that behave, and to servers that do not.

use super::super::{Network, NetworkOptions, Policy, Tls};
use super::*;
use crate::RequestId;
use bytes::Bytes;
use http_body_util::Full;
use shoal_api::{NetworkGrant, OutboundRule};
use std::net::SocketAddr;
use std::pin::pin;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

mod http2;
mod reuse;
mod secure;
mod trace;

/// A server that answers each request with the same bytes, then closes the connection if `close`.
async fn server(answer: &'static [u8], close: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 4096];
                while connection.read(&mut head).await.is_ok_and(|read| read > 0) {
                    let _ = connection.write_all(answer).await;
                    if close {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// What a component may reach that is granted one host.
fn network(host: &str, port: u16, connections: u32, tls: Tls) -> Arc<Network> {
    let rule = OutboundRule {
        host: host.to_owned(),
        ports: vec![port.into()],
        allow_private: true,
        ..OutboundRule::default()
    };
    let policy = Policy::new(&NetworkGrant {
        outbound: vec![rule],
        ..NetworkGrant::default()
    })
    .expect("a rule");
    let options = NetworkOptions {
        tls,
        ..NetworkOptions::local(policy, connections)
    };
    Arc::new(options.build(Arc::new(crate::report::Report::new("test/web"))))
}

fn instance(network: &Arc<Network>) -> Arc<Outbound> {
    Arc::new(Outbound::new(Arc::clone(network), RequestId(1)))
}

fn outbound_with(host: &str, port: u16, connections: u32, tls: Tls) -> Arc<Outbound> {
    instance(&network(host, port, connections, tls))
}

fn outbound(address: SocketAddr) -> Arc<Outbound> {
    outbound_with(&address.ip().to_string(), address.port(), 2, Tls::default())
}

fn get(uri: &str) -> Request<WasiBody> {
    Request::get(uri)
        .body(Empty::new().map_err(|never| match never {}).boxed_unsync())
        .expect("a request")
}

fn short() -> Option<RequestOptions> {
    let patience = Some(Duration::from_millis(50));
    Some(RequestOptions {
        connect_timeout: None,
        first_byte_timeout: patience,
        between_bytes_timeout: patience,
    })
}

/// Reads the answer while the connection is driven.
async fn read(sent: (Response<WasiBody>, Work)) -> Result<Vec<u8>, Error> {
    let (answer, work) = sent;
    let work = tokio::spawn(Box::into_pin(work));
    let body = answer.into_body().collect().await?.to_bytes().to_vec();
    work.await.expect("no panic")?;
    Ok(body)
}

#[tokio::test]
async fn a_request_goes_to_the_host_that_is_granted_and_comes_back() {
    let address = server(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", false).await;
    let outbound = outbound(address);
    for _ in 0..5 {
        let sent = send(
            outbound.clone(),
            get(&format!("http://{address}/x?y")),
            None,
            CallContext::default(),
        )
        .await
        .expect("sent");
        assert_eq!(sent.0.status(), 200);
        assert_eq!(read(sent).await.expect("a body"), b"hello");
    }
}

#[tokio::test]
async fn the_head_is_what_an_origin_server_expects_and_the_body_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("an address");
    let seen = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.expect("accept");
        let mut seen = vec![];
        while !seen.ends_with(b"payload") {
            connection.read_buf(&mut seen).await.expect("read");
        }
        connection
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .await
            .expect("write");
        String::from_utf8(seen).expect("text")
    });
    let body = Full::new(Bytes::from_static(b"payload"))
        .map_err(|never| match never {})
        .boxed_unsync();
    let request = Request::post(format!("http://{address}/a/b?c=d"))
        .header("host", "x")
        .body(body)
        .expect("a request");
    let sent = send(outbound(address), request, None, CallContext::default())
        .await
        .expect("sent");
    assert_eq!(sent.0.status(), 204);
    let seen = seen.await.expect("seen");
    assert!(
        seen.starts_with("POST /a/b?c=d HTTP/1.1\r\nhost: x\r\ncontent-length: 7\r\n\r\n"),
        "{seen}"
    );
}

#[tokio::test]
async fn what_is_not_granted_is_denied_before_anything_is_sent() {
    let address = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false).await;
    let other = outbound_with("127.0.0.2", address.port(), 2, Tls::default());
    let denied = send(
        other,
        get(&format!("http://{address}/")),
        None,
        CallContext::default(),
    )
    .await
    .err();
    assert!(matches!(denied, Some(Error::HttpRequestDenied)), "{denied:?}");
    let granted = outbound(address);
    for uri in [
        "http://127.0.0.1:1/",
        "http://localhost/",
        "http://[::1]/",
        "http://2130706433/",
        "http://127.0.0.1/",
    ] {
        let denied = send(granted.clone(), get(uri), None, CallContext::default())
            .await
            .err();
        assert!(
            matches!(denied, Some(Error::HttpRequestDenied)),
            "{uri}: {denied:?}"
        );
    }
}

#[tokio::test]
async fn a_target_is_read_from_the_uri() {
    let target = |uri: &str| Target::of(&get(uri));
    let plain = target("http://example.com").expect("a target");
    assert_eq!(
        (plain.host.as_str(), plain.port, plain.tls, plain.path.as_str()),
        ("example.com", 80, false, "/")
    );
    let tls = target("https://[::1]:8443/x?y").expect("a target");
    assert_eq!(
        (tls.host.as_str(), tls.port, tls.tls, tls.path.as_str()),
        ("::1", 8443, true, "/x?y")
    );
    assert_eq!(target("https://example.com/").expect("a target").port, 443);
    assert!(matches!(
        target("https://granted.example@evil.example/"),
        Err(Error::HttpRequestUriInvalid)
    ));
    assert!(matches!(
        target("/no-authority"),
        Err(Error::HttpRequestUriInvalid)
    ));
    let mut tunnel = get("http://example.com/");
    *tunnel.method_mut() = Method::CONNECT;
    assert!(matches!(
        Target::of(&tunnel),
        Err(Error::HttpRequestMethodInvalid)
    ));
}

#[tokio::test]
async fn open_answers_count_as_connections() {
    let address = server(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", false).await;
    let outbound = outbound(address);
    let uri = format!("http://{address}/");
    let first = send(outbound.clone(), get(&uri), None, CallContext::default())
        .await
        .expect("one, with its question for the address");
    let refused = send(outbound.clone(), get(&uri), None, CallContext::default())
        .await
        .map(read);
    drop(first);
    let Ok(reading) = refused else {
        panic!("two are allowed")
    };
    assert_eq!(reading.await.expect("a body"), b"hello");
    let one = outbound_with("127.0.0.1", address.port(), 1, Tls::default());
    let held = send(one.clone(), get(&uri), None, CallContext::default())
        .await
        .expect("an address needs no question");
    let refused = send(one.clone(), get(&uri), None, CallContext::default())
        .await
        .err();
    assert!(
        matches!(refused, Some(Error::ConnectionLimitReached)),
        "{refused:?}"
    );
    drop(held);
    assert!(
        send(one, get(&uri), None, CallContext::default()).await.is_ok(),
        "the place is free again"
    );
}

#[tokio::test]
async fn servers_that_stall_or_break_end_in_an_error() {
    let silent = server(b"", false).await;
    let error = send(
        outbound(silent),
        get(&format!("http://{silent}/")),
        short(),
        CallContext::default(),
    )
    .await
    .err();
    assert!(matches!(error, Some(Error::ConnectionReadTimeout)), "{error:?}");

    let stalling = server(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", false).await;
    let sent = send(
        outbound(stalling),
        get(&format!("http://{stalling}/")),
        short(),
        CallContext::default(),
    )
    .await
    .expect("a head");
    let error = pin!(read(sent)).await.err();
    assert!(matches!(error, Some(Error::ConnectionReadTimeout)), "{error:?}");

    for (answer, what) in [
        (&b""[..], "closed at once"),
        (b"HTTP/1.1 200", "cut in the head"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "another protocol"),
    ] {
        let address = server(answer, true).await;
        let error = send(
            outbound(address),
            get(&format!("http://{address}/")),
            None,
            CallContext::default(),
        )
        .await
        .err();
        assert!(error.is_some(), "{what}");
    }
    let cut = server(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", true).await;
    let sent = send(
        outbound(cut),
        get(&format!("http://{cut}/")),
        None,
        CallContext::default(),
    )
    .await
    .expect("a head");
    let error = read(sent).await.err();
    assert!(matches!(error, Some(Error::HttpResponseIncomplete)), "{error:?}");
}

#[tokio::test]
async fn a_refused_connection_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let error = send(
        outbound(address),
        get(&format!("http://{address}/")),
        None,
        CallContext::default(),
    )
    .await
    .err();
    assert!(matches!(error, Some(Error::ConnectionRefused)), "{error:?}");
}
