//! Kept connections: which request gets which, how many there are, and for how long.

use super::*;
use hyper::body::Incoming;
use hyper::service::service_fn;
use std::convert::Infallible;
use tokio::net::{TcpListener, TcpStream};
use wasmtime_wasi_http::io::TokioIo;

/// A connection to somebody who listens and says nothing.
async fn one() -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("an address");
    let stream = TcpStream::connect(address).await.expect("connect");
    let (other, _) = listener.accept().await.expect("accept");
    (Connection::one(stream).await.expect("a connection"), other)
}

async fn two() -> (Connection, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("an address");
    let stream = TcpStream::connect(address).await.expect("connect");
    let (other, _) = listener.accept().await.expect("accept");
    let answer = |_: http::Request<Incoming>| async {
        Ok::<_, Infallible>(http::Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
    };
    let server = tokio::spawn(async move {
        let served = hyper::server::conn::http2::Builder::new(super::super::connection::Spawn)
            .serve_connection(TokioIo::new(other), service_fn(answer))
            .await;
        drop(served);
    });
    (Connection::two(stream).await.expect("a connection"), server)
}

fn server(host: &str, tls: bool) -> Server {
    Server {
        tls,
        host: host.to_owned(),
        port: 80,
    }
}

#[tokio::test]
async fn a_connection_is_for_its_server_and_for_what_it_speaks() {
    let pool = Pool::default();
    let (here, there, safe) = (server("a", false), server("b", false), server("a", true));
    let (connection, _other) = one().await;
    pool.put(&here, connection);
    for (at, wanted) in [(&there, Wanted::One), (&safe, Wanted::Either), (&here, Wanted::Two)] {
        assert!(pool.take(at, wanted).is_none(), "{at:?} {wanted:?}");
    }
    assert!(pool.take(&here, Wanted::One).is_some());
    assert!(pool.take(&here, Wanted::One).is_none(), "whoever has it has it alone");

    let (connection, _server) = two().await;
    pool.put(&safe, connection);
    assert!(pool.take(&safe, Wanted::One).is_none());
    let first = pool.take(&safe, Wanted::Either);
    let second = pool.take(&safe, Wanted::Two);
    let (Some(Connection::Two(first)), Some(Connection::Two(second))) = (first, second) else {
        panic!("it is shared")
    };
    assert!(first.is_same(&second) && first.is_used());
    pool.forget(&second);
    assert!(pool.take(&safe, Wanted::Two).is_none());
    assert!(!Connection::Two(first).is_closed(), "those who use it go on");
}

#[tokio::test]
async fn the_oldest_go_where_there_are_too_many() {
    let pool = Pool::default();
    let mut others = Vec::new();
    for _ in 0..MOST_PER_SERVER + 3 {
        let (connection, other) = one().await;
        pool.put(&server("a", false), connection);
        others.push(other);
    }
    assert_eq!(pool.len(), MOST_PER_SERVER);
    for host in 0..MOST + 3 {
        let (connection, other) = one().await;
        pool.put(&server(&host.to_string(), false), connection);
        others.push(other);
    }
    assert_eq!(pool.len(), MOST);
    assert!(pool.take(&server("a", false), Wanted::One).is_none());
}

#[tokio::test]
async fn what_a_server_closed_is_given_to_nobody() {
    let pool = Pool::default();
    let (connection, other) = one().await;
    pool.put(&server("a", false), connection);
    drop(other);
    until(|| pool.lock().entries.iter().all(|it| it.connection.is_closed())).await;
    assert!(pool.take(&server("a", false), Wanted::One).is_none());
    assert_eq!(pool.len(), 0);
}

#[tokio::test]
async fn what_nobody_uses_is_closed_after_a_while() {
    let pool = Pool::default();
    let (connection, _other) = one().await;
    pool.put(&server("a", false), connection);
    let (connection, _server) = two().await;
    pool.put(&server("b", false), connection);
    let used = pool.take(&server("b", false), Wanted::Two);
    let sweep = |after| pool.lock().sweep(Instant::now() + after);
    assert!(sweep(Duration::ZERO) && pool.len() == 2);
    assert!(sweep(IDLE) && pool.len() == 1, "the one in use stays");
    drop(used);
    assert!(!sweep(IDLE), "nothing is left to look after");
}

async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}
