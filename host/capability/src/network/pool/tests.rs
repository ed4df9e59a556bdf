//! Kept connections: which request gets which, how many there are, and for how long.

use super::*;
use tokio::net::{TcpListener, TcpStream};

/// A connection to a server that says nothing, and the server's end.
async fn connection() -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("an address");
    let stream = TcpStream::connect(address).await.expect("connect");
    let (other, _) = listener.accept().await.expect("accept");
    (Connection::http1(stream).await.expect("a connection"), other)
}

fn origin(host: &str, tls: bool) -> Origin {
    Origin {
        tls,
        host: host.to_owned(),
        port: 80,
    }
}

fn count(pool: &Pool) -> usize {
    pool.lock().entries.len()
}

#[tokio::test]
async fn a_connection_is_for_its_origin_and_for_one_request() {
    let pool = Pool::default();
    let (connection, _server) = connection().await;
    pool.put(origin("a", false), connection);
    assert!(pool.take(&origin("b", false)).is_none());
    assert!(pool.take(&origin("a", true)).is_none());
    assert!(pool.take(&origin("a", false)).is_some());
    assert!(pool.take(&origin("a", false)).is_none(), "it is taken");
}

#[tokio::test]
async fn the_oldest_make_room() {
    let pool = Pool::default();
    let mut servers = Vec::new();
    for _ in 0..MAX_PER_ORIGIN + 3 {
        let (connection, server) = connection().await;
        pool.put(origin("a", false), connection);
        servers.push(server);
    }
    assert_eq!(count(&pool), MAX_PER_ORIGIN);
    for host in 0..MAX_KEPT + 3 {
        let (connection, server) = connection().await;
        pool.put(origin(&host.to_string(), false), connection);
        servers.push(server);
    }
    assert_eq!(count(&pool), MAX_KEPT);
    assert!(pool.take(&origin("a", false)).is_none());
}

#[tokio::test]
async fn what_its_server_closed_is_given_to_nobody() {
    let pool = Pool::default();
    let (connection, server) = connection().await;
    pool.put(origin("a", false), connection);
    drop(server);
    while !pool.lock().entries[0].connection.is_over(Instant::now()) {
        tokio::task::yield_now().await;
    }
    assert!(pool.take(&origin("a", false)).is_none());
    assert_eq!(count(&pool), 0);
}

#[tokio::test]
async fn what_nobody_uses_is_closed_after_a_while() {
    let pool = Pool::default();
    let (connection, _server) = connection().await;
    pool.put(origin("a", false), connection);
    let prune = |after| pool.lock().prune(Instant::now() + after);
    prune(IDLE / 2);
    assert_eq!(count(&pool), 1);
    prune(IDLE);
    assert_eq!(count(&pool), 0);
}

#[tokio::test(start_paused = true)]
async fn a_pool_looks_after_itself_while_it_holds_anything() {
    let pool = Pool::default();
    for _ in 0..2 {
        let (connection, _server) = connection().await;
        pool.put(origin("a", false), connection);
        assert!(pool.lock().swept);
        sleep(IDLE * 2).await;
        assert_eq!(count(&pool), 0);
        assert!(!pool.lock().swept);
    }
}

#[tokio::test]
async fn a_connection_has_an_end() {
    let (connection, _server) = connection().await;
    assert!(!connection.is_over(Instant::now()));
    assert!(connection.is_over(Instant::now() + Duration::from_secs(300)));
}
