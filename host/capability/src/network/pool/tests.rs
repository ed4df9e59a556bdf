//! Kept connections: which request gets which, how many there are, and for how long.

use super::super::connection::Spawn;
use super::*;
use hyper::service::service_fn;
use std::convert::Infallible;
use tokio::net::{TcpListener, TcpStream};
use wasmtime_wasi_http::io::TokioIo;

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
    assert!(pool.take(&origin("b", false), Protocol::Negotiated).is_none());
    assert!(pool.take(&origin("a", true), Protocol::Negotiated).is_none());
    assert!(pool.take(&origin("a", false), Protocol::Negotiated).is_some());
    assert!(
        pool.take(&origin("a", false), Protocol::Negotiated).is_none(),
        "it is taken"
    );
}

/// A connection of HTTP/2, and its server.
async fn http2() -> (Connection, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("an address");
    let stream = TcpStream::connect(address).await.expect("connect");
    let (other, _) = listener.accept().await.expect("accept");
    let answer = |_: http::Request<hyper::body::Incoming>| async {
        Ok::<_, Infallible>(http::Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
    };
    let server = tokio::spawn(async move {
        let served = hyper::server::conn::http2::Builder::new(Spawn)
            .serve_connection(TokioIo::new(other), service_fn(answer))
            .await;
        drop(served);
    });
    (Connection::http2(stream).await.expect("a connection"), server)
}

#[tokio::test]
async fn a_connection_of_http_2_is_shared_and_kept_while_it_is_used() {
    let pool = Pool::default();
    let (shared, _server) = http2().await;
    pool.put(origin("a", true), shared);
    let take = |protocol| pool.take(&origin("a", true), protocol);
    assert!(take(Protocol::Http1).is_none());
    let (one, two) = (take(Protocol::Http2), take(Protocol::Negotiated));
    assert!(one.is_some() && two.is_some());
    let prune = |after| pool.lock().prune(Instant::now() + after);
    prune(IDLE);
    assert_eq!(count(&pool), 1, "it is used");
    drop((one, two));
    prune(IDLE);
    assert_eq!(count(&pool), 0);

    let (connection, _server) = connection().await;
    pool.put(origin("a", true), connection);
    assert!(take(Protocol::Http2).is_none());
    assert!(take(Protocol::Negotiated).is_some());
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
    assert!(pool.take(&origin("a", false), Protocol::Negotiated).is_none());
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
    assert!(pool.take(&origin("a", false), Protocol::Negotiated).is_none());
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
