//! Connections that are kept: which requests share one, and what becomes of a request whose connection turns out to be closed.

use super::*;
use http_body_util::Full;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a server does with the requests of one connection, one after the other.
#[derive(Clone, Copy)]
enum Does {
    /// Answers, and says that it closes the connection, or not.
    Answer(&'static str),
    /// Reads it, and closes the connection without a word.
    Close,
}

const ANSWER: Does = Does::Answer("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
const LAST: Does = Does::Answer("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello");
const NO_CONTENT: Does = Does::Answer("HTTP/1.1 204 No Content\r\n\r\n");

/// A server that does the same on each connection, and closes it after that. It counts connections.
async fn scripted(script: &'static [Does]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("an address");
    let connections = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                for does in script {
                    let mut head = [0; 4096];
                    let read = connection.read(&mut head).await.unwrap_or_default();
                    match does {
                        Does::Answer(answer) if read > 0 => {
                            let _ = connection.write_all(answer.as_bytes()).await;
                        }
                        _ => return,
                    }
                }
            });
        }
    });
    (address, connections)
}

fn post(uri: &str) -> Request<WasiBody> {
    let body = Full::new(Bytes::from_static(b"payload"));
    Request::post(uri)
        .body(body.map_err(|never| match never {}).boxed_unsync())
        .expect("a request")
}

async fn status(outbound: &Arc<Outbound>, request: Request<WasiBody>) -> Result<u16, Error> {
    let (answer, work) = send(outbound.clone(), request, None, CallContext::default()).await?;
    let status = answer.status().as_u16();
    read((answer, work)).await?;
    Ok(status)
}

#[tokio::test]
async fn requests_one_after_the_other_share_a_connection() {
    for (script, status_code) in [(&[ANSWER; 10][..], 200), (&[NO_CONTENT; 10], 204)] {
        let (address, connections) = scripted(script).await;
        let outbound = outbound(address);
        let uri = format!("http://{address}/");
        for _ in 0..5 {
            assert_eq!(status(&outbound, get(&uri)).await.expect("an answer"), status_code);
            assert_eq!(status(&outbound, post(&uri)).await.expect("an answer"), status_code);
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn answers_that_are_not_read_end_their_connection() {
    let (address, connections) = scripted(&[ANSWER; 10]).await;
    let outbound = outbound(address);
    let uri = format!("http://{address}/");
    for _ in 0..3 {
        let sent = send(outbound.clone(), get(&uri), None, CallContext::default()).await;
        drop(sent.expect("an answer"));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_connection_that_the_server_closes_is_followed_by_another() {
    for script in [&[ANSWER][..], &[LAST]] {
        let (address, connections) = scripted(script).await;
        let outbound = outbound(address);
        let uri = format!("http://{address}/");
        for _ in 0..10 {
            assert_eq!(status(&outbound, get(&uri)).await.expect("an answer"), 200);
        }
        assert_eq!(connections.load(Ordering::SeqCst), 10);
    }
}

#[tokio::test]
async fn a_request_that_was_sent_is_repeated_only_if_it_may_come_twice() {
    let (address, connections) = scripted(&[ANSWER, Does::Close]).await;
    let outbound = outbound(address);
    let uri = format!("http://{address}/");
    assert_eq!(status(&outbound, get(&uri)).await.expect("an answer"), 200);
    assert_eq!(status(&outbound, get(&uri)).await.expect("repeated"), 200);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    let refused = status(&outbound, post(&uri)).await;
    assert!(
        matches!(refused, Err(Error::HttpResponseIncomplete | Error::ConnectionTerminated)),
        "{refused:?}"
    );
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_new_connection_that_fails_is_an_error() {
    let (address, connections) = scripted(&[Does::Close]).await;
    let refused = status(&outbound(address), get(&format!("http://{address}/"))).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}
