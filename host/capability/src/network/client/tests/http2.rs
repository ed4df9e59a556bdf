//! HTTP/2: over TLS where the server chooses it, and without TLS for gRPC.

use super::secure::Server;
use super::*;
use bytes::Bytes;
use http::{HeaderMap, Version};
use http_body::Frame;
use http_body_util::StreamBody;

/// A call of gRPC with a message and a trailer.
fn grpc(uri: &str) -> Request<WasiBody> {
    let mut trailers = HeaderMap::new();
    trailers.insert("checksum", HeaderValue::from_static("7"));
    let frames = [
        Ok(Frame::data(Bytes::from_static(b"message"))),
        Ok(Frame::trailers(trailers)),
    ];
    Request::post(uri)
        .header("content-type", "application/grpc+proto")
        .body(StreamBody::new(futures::stream::iter(frames)).boxed_unsync())
        .expect("a request")
}

#[tokio::test]
async fn the_server_chooses_the_version_and_requests_of_http_2_share_a_connection() {
    let server = Server::https(&["h2", "http/1.1"]).await;
    let uri = server.uri("https", "/a?b");
    let expected = format!("HTTP/2.0 GET {uri} te= body=");
    assert_eq!(server.text(get(&uri)).await.expect("an answer"), expected);
    let at_once = (0..20).map(|_| server.text(get(&uri)));
    for answer in futures::future::join_all(at_once).await {
        assert_eq!(answer.expect("an answer"), expected);
    }
    assert_eq!(server.connections(), 1);

    let server = Server::https(&["http/1.1"]).await;
    let answer = server.text(get(&server.uri("https", "/a?b"))).await;
    assert_eq!(answer.expect("an answer"), "HTTP/1.1 GET /a?b te= body=");
}

#[tokio::test]
async fn a_call_of_grpc_has_trailers_both_ways_with_and_without_tls() {
    let servers = [
        ("https", Server::https(&["h2"]).await),
        ("http", Server::plain().await),
    ];
    for (scheme, server) in servers {
        let uri = server.uri(scheme, "/greet.Greeter/Hello");
        for _ in 0..2 {
            let (answer, work) = server.send(grpc(&uri)).await.expect("an answer");
            assert_eq!(answer.version(), Version::HTTP_2);
            let work = tokio::spawn(Box::into_pin(work));
            let body = answer.into_body().collect().await.expect("a body");
            let trailers = body.trailers().expect("trailers");
            assert_eq!(
                (&trailers["grpc-status"], &trailers["got-checksum"]),
                (&"0".parse().unwrap(), &"7".parse().unwrap())
            );
            let text = format!("HTTP/2.0 POST {uri} te=trailers body=message");
            assert_eq!(body.to_bytes(), text);
            work.await.expect("no panic").expect("it was sent");
        }
        assert_eq!(server.connections(), 1, "{scheme}");
    }
}

#[tokio::test]
async fn grpc_needs_a_server_that_speaks_http_2() {
    let server = Server::https(&["http/1.1"]).await;
    let error = server.text(grpc(&server.uri("https", "/"))).await;
    // What a server says that shares no protocol (RFC 7301, 3.2).
    assert!(
        matches!(
            error,
            Err(Error::TlsAlertReceived { .. } | Error::HttpProtocolError)
        ),
        "{error:?}"
    );
    let server = Server::https(&[]).await;
    let error = server.text(grpc(&server.uri("https", "/"))).await;
    assert!(matches!(error, Err(Error::HttpProtocolError)), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_is_not_read_keeps_no_other_waiting() {
    let server = Server::https(&["h2"]).await;
    let first = server.text(get(&server.uri("https", "/"))).await;
    first.expect("a connection that can be shared");
    let mut unread = Vec::new();
    for _ in 0..50 {
        let sent = server.send(get(&server.uri("https", "/endless"))).await;
        unread.push(sent.expect("a head"));
    }
    let answer = server.text(get(&server.uri("https", "/"))).await;
    assert!(answer.expect("an answer").starts_with("HTTP/2.0 GET"));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_connection_without_an_answer_gets_no_new_request() {
    let server = Server::https(&["h2"]).await;
    let uri = server.uri("https", "/");
    server.text(get(&uri)).await.expect("an answer");
    let silent = server.uri("https", "/silent");
    let error = send(
        instance(&server.network),
        get(&silent),
        short(),
        CallContext::default(),
    )
    .await
    .err();
    assert!(matches!(error, Some(Error::ConnectionReadTimeout)), "{error:?}");
    assert_eq!(server.connections(), 1);
    server.text(get(&uri)).await.expect("over another connection");
    assert_eq!(server.connections(), 2);
}
