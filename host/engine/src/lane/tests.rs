//! Where calls run, by futures that say that they have computed.

use super::*;
use std::sync::Arc;

/// Waits once, after it has computed as long as it `leaves` for; where it goes on.
fn call(leaves: bool) -> impl Future<Output = bool> + Send + Unpin {
    let mut polls = 0;
    poll_fn(move |cx| {
        polls += 1;
        if polls == 2 {
            return Poll::Ready(threads::in_lane());
        }
        if leaves {
            leave();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

#[tokio::test]
async fn a_call_stays_unless_it_has_computed() {
    let meter = Meter::default();
    assert!(!fair(&meter, call(false)).await);
    assert!(fair(&meter, call(true)).await);
    // One that has does not take the next with it.
    assert!(!fair(&meter, call(false)).await);
}

#[tokio::test]
async fn where_most_calls_compute_the_next_begins_in_the_lane() {
    let meter = Meter::default();
    for _ in 0..10 {
        fair(&meter, call(true)).await;
    }
    assert!(fair(&meter, call(false)).await);
    // Until it is clear that they do so no longer.
    for _ in 0..10 {
        fair(&meter, call(false)).await;
    }
    assert!(!fair(&meter, call(false)).await);
}

#[tokio::test]
async fn a_call_in_the_lane_stays_there() {
    let inner = Box::pin(async {
        call(true).await;
        fair(&Meter::default(), call(true)).await
    });
    assert!(fair(&Meter::default(), inner).await);
}

#[tokio::test]
async fn what_a_call_in_the_lane_spawns_is_in_the_callers_runtime() {
    let call = Box::pin(async {
        call(true).await;
        tokio::spawn(async { threads::in_lane() }).await
    });
    assert!(!fair(&Meter::default(), call).await.expect("no panic"));
}

#[tokio::test]
async fn a_call_in_the_lane_ends_with_who_waits_for_it() {
    let held = Arc::new(());
    let holds = Arc::clone(&held);
    let call = Box::pin(async move {
        call(true).await;
        let _holds = holds;
        std::future::pending::<()>().await;
    });
    let meter = Meter::default();
    let mut waits = fair(&meter, call);
    assert!(futures::poll!(&mut waits).is_pending());
    assert!(matches!(waits.place, Place::Lane(_)));
    drop(waits);
    while Arc::strong_count(&held) > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
#[should_panic(expected = "in the lane")]
async fn a_panic_in_the_lane_is_the_callers() {
    let call = Box::pin(async {
        call(true).await;
        panic!("in the lane");
    });
    fair(&Meter::default(), call).await;
}
