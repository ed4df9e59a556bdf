//! Connections that are kept: which requests share one, and what becomes of a request when its connection turns out to be closed.

use super::*;
use futures::SinkExt as _;
use futures::channel::mpsc;
use http_body::Frame;
use http_body_util::StreamBody;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a server does with the requests of one connection, one after the other.
#[derive(Clone, Copy)]
enum Step {
    /// Reads something and answers.
    Answer(&'static str),
    /// Reads something and closes the connection without an answer.
    Close,
    /// Reads until a request has this at its end.
    Until(&'static str),
}

const ANSWER: Step = Step::Answer("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
const LAST: Step = Step::Answer("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello");
const EMPTY: Step = Step::Answer("HTTP/1.1 204 No Content\r\n\r\n");
const CHUNKS: Step =
    Step::Answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
const TWO: Step = Step::Answer(
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad",
);

/// A server that does the same on each connection, then closes it. It counts connections.
async fn scripted(script: &'static [Step]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("an address");
    let connections = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                for step in script {
                    let mut bytes = vec![];
                    let mut read = connection.read_buf(&mut bytes).await.unwrap_or_default();
                    if let Step::Until(end) = step {
                        while read > 0 && !bytes.ends_with(end.as_bytes()) {
                            read = connection.read_buf(&mut bytes).await.unwrap_or_default();
                        }
                    }
                    match step {
                        Step::Answer(answer) if read > 0 => {
                            let _ = connection.write_all(answer.as_bytes()).await;
                        }
                        Step::Until(_) if read > 0 => {}
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
    for (script, code) in [
        (&[ANSWER; 10][..], 200),
        (&[EMPTY; 10], 204),
        (&[CHUNKS; 10], 200),
    ] {
        let (address, connections) = scripted(script).await;
        let network = network("127.0.0.1", address.port(), 1, Tls::default());
        let uri = format!("http://{address}/");
        for _ in 0..5 {
            let one = instance(&network);
            assert_eq!(status(&one, get(&uri)).await.expect("an answer"), code);
            assert_eq!(status(&one, post(&uri)).await.expect("an answer"), code);
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1);
        // Another component, with the same grant.
        assert_eq!(
            status(&outbound(address), get(&uri)).await.expect("an answer"),
            code
        );
        assert_eq!(connections.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn requests_at_the_same_time_have_a_connection_each() {
    let (address, connections) = scripted(&[ANSWER; 10]).await;
    let outbound = outbound(address);
    let uri = format!("http://{address}/");
    for _ in 0..3 {
        let (one, two) = futures::join!(status(&outbound, get(&uri)), status(&outbound, get(&uri)));
        assert_eq!((one.expect("an answer"), two.expect("an answer")), (200, 200));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
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
async fn a_kept_connection_is_for_those_who_may_connect() {
    let (address, connections) = scripted(&[ANSWER; 10]).await;
    let network = network("localhost", address.port(), 2, Tls::default());
    let first = instance(&network);
    let names = first.clone().resolve("localhost".to_owned()).await;
    assert!(names.expect("granted").contains(&address.ip()));
    let uri = format!("http://{address}/");
    assert_eq!(
        status(&first, get(&uri))
            .await
            .expect("a name led to the address"),
        200
    );
    let second = status(&instance(&network), get(&uri)).await;
    assert!(matches!(second, Err(Error::HttpRequestDenied)), "{second:?}");
    assert_eq!(status(&first, get(&uri)).await.expect("still"), 200);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_comes_after_an_answer_is_nobodys() {
    let (address, _) = scripted(&[TWO, ANSWER]).await;
    let outbound = outbound(address);
    for _ in 0..10 {
        let sent = send(
            outbound.clone(),
            get(&format!("http://{address}/")),
            None,
            CallContext::default(),
        )
        .await;
        assert_eq!(read(sent.expect("sent")).await.expect("a body"), b"hello");
    }
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
async fn a_request_that_was_sent_is_repeated_only_if_it_may_be_sent_twice() {
    let (address, connections) = scripted(&[ANSWER, Step::Close]).await;
    let outbound = outbound(address);
    let uri = format!("http://{address}/");
    assert_eq!(status(&outbound, get(&uri)).await.expect("an answer"), 200);
    assert_eq!(status(&outbound, get(&uri)).await.expect("repeated"), 200);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    let refused = status(&outbound, post(&uri)).await;
    assert!(
        matches!(
            refused,
            Err(Error::HttpResponseIncomplete | Error::ConnectionTerminated)
        ),
        "{refused:?}"
    );
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_new_connection_that_fails_is_an_error() {
    let (address, connections) = scripted(&[Step::Close]).await;
    let refused = status(&outbound(address), get(&format!("http://{address}/"))).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

/// Reads an answer to a request with an open body to its end, then ends the body. The request may be whole or not.
async fn answered_early(outbound: &Arc<Outbound>, uri: &str, whole: bool) {
    let (mut guest, body) = mpsc::channel(1);
    let request = Request::post(uri).body(StreamBody::new(body).boxed_unsync());
    let first = Ok(Frame::data(Bytes::from_static(b"first")));
    guest.send(first).await.expect("taken");
    let request = request.expect("a request");
    let sent = send(outbound.clone(), request, None, CallContext::default()).await;
    let (answer, work) = sent.expect("an answer");
    let answer = answer.into_body().collect().await.expect("a body");
    assert_eq!(answer.to_bytes(), "hello");
    if whole {
        let last = Ok(Frame::data(Bytes::from_static(b"last")));
        guest.send(last).await.expect("taken");
    } else {
        guest.send(Err(Error::HttpProtocolError)).await.expect("taken");
    }
    drop(guest);
    assert_eq!(Box::into_pin(work).await.is_ok(), whole);
}

#[tokio::test]
async fn a_connection_is_kept_once_the_request_is_sent_too() {
    const SCRIPT: &[Step] = &[ANSWER, Step::Until("last\r\n0\r\n\r\n"), ANSWER];
    for (whole, needed) in [(true, 1), (false, 2)] {
        let (address, connections) = scripted(SCRIPT).await;
        let network = network("127.0.0.1", address.port(), 1, Tls::default());
        let uri = format!("http://{address}/");
        answered_early(&instance(&network), &uri, whole).await;
        assert_eq!(
            status(&instance(&network), get(&uri)).await.expect("an answer"),
            200
        );
        assert_eq!(connections.load(Ordering::SeqCst), needed, "{whole}");
    }
}

#[tokio::test]
async fn a_get_that_went_out_in_chunks_ends_its_connection() {
    let (address, connections) = scripted(&[ANSWER; 10]).await;
    let outbound = outbound(address);
    let uri = format!("http://{address}/");
    for _ in 0..2 {
        let (guest, body) = mpsc::channel::<Result<Frame<Bytes>, Error>>(1);
        let request = Request::get(&uri).body(StreamBody::new(body).boxed_unsync());
        let sent = send(
            outbound.clone(),
            request.expect("a request"),
            None,
            CallContext::default(),
        )
        .await;
        drop(guest);
        read(sent.expect("an answer")).await.expect("a body");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}
