//! A server that stops while clients are about to send their requests.

use crate::support::{GET, PATIENCE, Raw, Site, within};
use shoal_trigger::http::ServerOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Sends a request and reads the whole answer, which has a body.
async fn answered(raw: &mut Raw) -> String {
    raw.0.write_all(GET).await.expect("a request");
    let mut answer = Vec::new();
    while !answer.windows(4).any(|it| it == b"\r\n\r\n") {
        assert!(
            raw.0.read_buf(&mut answer).await.expect("an answer") > 0,
            "closed"
        );
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_request_that_was_about_to_come_is_answered_and_is_the_last() {
    let server = Site::new().serve(ServerOptions::default()).await;
    // One that has sent nothing, and one that was answered before. They are accepted in this order.
    let mut silent = Raw::with(server.address(), Vec::new()).await;
    let mut kept = Raw::with(server.address(), Vec::new()).await;
    let before = within("an answer", answered(&mut kept)).await;
    assert!(!before.contains("connection: close"), "{before}");
    let stopping = tokio::spawn(server.shutdown(PATIENCE));
    // The server is told first: nothing here waits but for the answers.
    tokio::task::yield_now().await;
    for raw in [&mut silent, &mut kept] {
        let last = within("the last answer", answered(raw)).await;
        assert!(last.starts_with("HTTP/1.1 200"), "{last}");
        assert!(last.contains("connection: close"), "{last}");
        within("the end", raw.read_to_end()).await;
    }
    assert!(within("the server's end", stopping).await.expect("it stops"));
}

#[tokio::test]
async fn a_client_that_sends_nothing_does_not_keep_a_server_from_its_end() {
    let server = Site::new().serve(ServerOptions::default()).await;
    let mut silent = Raw::with(server.address(), Vec::new()).await;
    let mut kept = Raw::with(server.address(), Vec::new()).await;
    within("an answer", answered(&mut kept)).await;
    assert!(within("the server's end", server.shutdown(PATIENCE)).await);
    for raw in [&mut silent, &mut kept] {
        within("the end", raw.read_to_end()).await;
    }
}
