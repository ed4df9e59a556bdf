//! Bodies that a guest writes early, late, or not as it announced.

use super::*;
use futures::SinkExt as _;
use futures::channel::mpsc;
use http_body_util::StreamBody;
use std::pin::pin;

type Guest = mpsc::Sender<Result<Frame<Bytes>, Error>>;

/// A request, and the guest's end of its body.
fn request(method: Method, length: Option<u64>) -> (Request<WasiBody>, Guest) {
    let (guest, body) = mpsc::channel(1);
    let mut request = Request::new(StreamBody::new(body).boxed_unsync());
    *request.method_mut() = method;
    if let Some(length) = length {
        request.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    (request, guest)
}

fn data(text: &'static str) -> Result<Frame<Bytes>, Error> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

#[tokio::test]
async fn a_guest_that_ends_its_body_right_away_has_sent_none() {
    let (get, mut guest) = request(Method::GET, None);
    let (get, upload) = Upload::of(get);
    let (settled, ()) = futures::join!(upload.settle(get, SETTLE), async {
        guest.send(data("")).await.expect("taken");
        guest.disconnect();
    });
    assert!(settled.expect("no fault").body().is_end_stream());

    let (get, mut guest) = request(Method::GET, None);
    let (get, upload) = Upload::of(get);
    guest.send(data("some")).await.expect("taken");
    let body = upload.settle(get, SETTLE).await.expect("no fault").into_body();
    assert!(!body.is_end_stream());
    guest.disconnect();
    assert_eq!(body.collect().await.expect("a body").to_bytes(), "some");
}

#[tokio::test]
async fn a_body_that_stays_open_is_sent_as_it_is_written() {
    let (get, mut guest) = request(Method::GET, None);
    let (get, upload) = Upload::of(get);
    let mut body = upload.settle(get, SETTLE).await.expect("no fault").into_body();
    assert!(!body.is_end_stream());
    guest.send(data("late")).await.expect("taken");
    let frame = body.frame().await.expect("a frame").expect("data");
    assert_eq!(frame.into_data().expect("data"), "late");
}

#[tokio::test]
async fn a_length_that_was_announced_is_held_against_what_came() {
    for (announced, pieces, wrong) in [
        (4, vec!["ab", "cd"], None),
        (0, vec![], None),
        (4, vec!["ab"], Some(2)),
        (4, vec![], Some(0)),
        (4, vec!["ab", "cde"], Some(5)),
    ] {
        let (post, mut guest) = request(Method::POST, Some(announced));
        let (post, upload) = Upload::of(post);
        let (read, ()) = futures::join!(post.into_body().collect(), async {
            for piece in &pieces {
                let _ = guest.send(data(piece)).await;
            }
            guest.disconnect();
        });
        assert_eq!(read.is_err(), wrong.is_some(), "{announced} {pieces:?}");
        match (upload.error(), wrong) {
            (None, None) => {}
            (Some(Error::HttpRequestBodySize(Some(came))), Some(wrong)) => assert_eq!(came, wrong),
            other => panic!("{announced} {pieces:?}: {other:?}"),
        }
    }
    let (post, mut guest) = request(Method::POST, Some(4));
    let (post, upload) = Upload::of(post);
    guest.send(Err(Error::HttpProtocolError)).await.expect("taken");
    assert!(post.into_body().collect().await.is_err(), "given up");
    assert!(matches!(
        upload.error(),
        Some(Error::HttpRequestBodySize(Some(0)))
    ));
}

#[tokio::test]
async fn what_a_guest_writes_late_is_taken_up_to_a_bound() {
    let (get, mut guest) = request(Method::GET, None);
    let (get, upload) = Upload::of(get);
    drop(get);
    let mut drained = pin!(upload.finish());
    assert!(futures::poll!(&mut drained).is_pending());
    assert!(!guest.is_closed(), "the guest is about to write");
    let piece = Bytes::from(vec![0; 64 << 10]);
    let (mut taken, mut ended) = (0, false);
    while !ended {
        let sent = guest.send(Ok(Frame::data(piece.clone())));
        taken += u64::from(sent.await.is_ok()) * (64 << 10);
        ended = futures::poll!(&mut drained).is_ready();
    }
    assert!((DISCARDED..2 * DISCARDED).contains(&taken), "{taken}");
}
