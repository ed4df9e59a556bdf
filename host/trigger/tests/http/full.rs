//! A server that has as many connections as it may.

use crate::support::{GET, Raw, Site, impatient, within};
use shoal_trigger::http::ServerOptions;
use std::time::Duration;

/// Room for some, and more patience than the tests have.
fn narrow(max_connections: usize) -> ServerOptions {
    let head_timeout = Duration::from_secs(3600);
    ServerOptions {
        max_connections,
        head_timeout,
        ..impatient()
    }
}

#[tokio::test]
async fn silent_connections_give_way_to_others_the_longest_silent_first() {
    let server = Site::new().serve(narrow(8)).await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(Raw::connect(server.address()).await);
    }
    // The first has a request: it is not the one that was silent for longest any more.
    silent[0].write(GET).await;
    silent[0].read_until("hello\n").await;
    for _ in 0..3 {
        let mut raw = Raw::with(server.address(), GET).await;
        raw.read_until("hello\n").await;
        silent.push(raw);
    }
    for raw in &mut silent[1..4] {
        assert_eq!(raw.read_to_end().await, b"");
    }
    silent.drain(1..4);
    for raw in &mut silent {
        raw.write(GET).await;
        raw.read_until("hello\n").await;
    }
}

#[tokio::test]
async fn requests_in_flight_keep_their_places_and_the_next_waits_for_one() {
    let site = Site::new();
    let server = site.serve(narrow(2)).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        busy.push(Raw::with(server.address(), "GET /gate HTTP/1.1\r\nhost: x\r\n\r\n").await);
    }
    within("two requests", async {
        // They wait at the gate once it has room for them.
        while site.waiting() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let mut next = Raw::with(server.address(), GET).await;
    site.gate.add_permits(1);
    // One of the two is answered, and then closed: the next has its place.
    next.read_until("hello\n").await;
    site.gate.add_permits(1);
    for raw in &mut busy {
        raw.read_until("hello\n").await;
    }
}
