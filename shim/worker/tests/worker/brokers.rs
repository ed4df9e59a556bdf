//! What tasks reach, they reach through the daemon.

use crate::support::{Worker, get, granted, guest};
use serde_json::json;
use shoal_protocol::{FromWorker, Refused, Ticket, ToWorker};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;

/// Answers one request.
fn upstream() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).unwrap();
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nsaid\n";
        stream.write_all(answer.as_bytes()).unwrap();
    });
    address
}

fn connect(packet: &FromWorker) -> Option<(Ticket, String, SocketAddr)> {
    match packet {
        FromWorker::Connect { ticket, id, address } => Some((*ticket, id.clone(), *address)),
        _ => None,
    }
}

#[tokio::test]
async fn a_connection_comes_from_the_daemon() {
    let mut worker = Worker::start();
    let upstream = upstream();
    let code = guest("http_outbound").await;
    let rule = json!({"host": "db.example", "ports": [upstream.port()], "allowPrivate": true});
    let task = granted("a", &code, json!({"network": {"outbound": [rule]}}));
    let ends = worker.start_task(task, &code).await;
    let url = format!("/?url=http://db.example:{}/", upstream.port());
    let asked = tokio::spawn(async move { get(ends.address, &url).await });
    let (ticket, name) = worker
        .hear(|packet| match packet {
            FromWorker::Resolve { ticket, name, .. } => Some((*ticket, name.clone())),
            _ => None,
        })
        .await;
    assert_eq!(name, "db.example");
    let addresses = Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    worker.tell(&ToWorker::Resolved { ticket, addresses }, &[]).await;
    let (ticket, id, address) = worker.hear(connect).await;
    assert_eq!((id.as_str(), address), ("a", upstream));
    let socket = std::net::TcpStream::connect(address).unwrap();
    let connected = ToWorker::Connected { ticket, error: None };
    worker.tell(&connected, &[socket.as_fd()]).await;
    let answer = asked.await.unwrap();
    assert!(answer.contains("said\n"), "{answer}");
}

#[tokio::test]
async fn a_refusal_reaches_the_guest_and_a_policy_asks_nobody() {
    let mut worker = Worker::start();
    let code = guest("http_outbound").await;
    let rule = json!({"host": "127.0.0.1", "ports": [9]});
    let task = granted("a", &code, json!({"network": {"outbound": [rule]}}));
    let mut ends = worker.start_task(task, &code).await;
    // Another port: the worker's own policy says no.
    let answer = get(ends.address, "/?url=http://127.0.0.1:10/").await;
    assert!(
        answer.starts_with("HTTP/1.1 502") && answer.contains("HttpRequestDenied"),
        "{answer}"
    );
    let mut told = [0; 1024];
    let read = ends.stderr.read(&mut told).unwrap();
    let told = String::from_utf8_lossy(&told[..read]);
    assert!(
        told.starts_with("shoal: network: 127.0.0.1 port 10 (TCP) is not granted"),
        "{told}"
    );
    let asked = tokio::spawn(async move { get(ends.address, "/?url=http://127.0.0.1:9/").await });
    let (ticket, _, address) = worker.hear(connect).await;
    assert_eq!(address.port(), 9, "the first it was asked for");
    let error = Some(Refused {
        errno: 13,
        message: "the pod's grants don't allow it".to_owned(),
    });
    worker.tell(&ToWorker::Connected { ticket, error }, &[]).await;
    let answer = asked.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
}

/// Answers the first bytes of each connection, and closes it at once.
fn closing() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nsaid\n");
        }
    });
    address
}

/// The peer has answered and closed before the guest has written its empty body, or while it writes it.
#[tokio::test]
async fn gets_to_a_server_that_answers_and_closes_at_once_all_succeed() {
    const CALLS: usize = 20;
    const GETS: usize = 100;
    let mut worker = Worker::start();
    let upstream = closing();
    let code = guest("http_gets").await;
    let rule = json!({"host": "127.0.0.1", "ports": [upstream.port()]});
    let task = granted("a", &code, json!({"network": {"outbound": [rule]}}));
    let ends = worker.start_task(task, &code).await;
    let asked = tokio::spawn(async move {
        for _ in 0..CALLS {
            let answer = get(ends.address, &format!("/?count={GETS}&url=http://{upstream}/")).await;
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.contains("ok\n"),
                "{answer}"
            );
        }
    });
    for _ in 0..CALLS * GETS {
        let (ticket, _, address) = worker.hear(connect).await;
        let socket = std::net::TcpStream::connect(address).unwrap();
        let connected = ToWorker::Connected { ticket, error: None };
        worker.tell(&connected, &[socket.as_fd()]).await;
    }
    asked.await.unwrap();
}

#[tokio::test]
async fn sockets_of_guests_live_in_the_pods_network() {
    let network = std::fs::File::open("/proc/self/ns/net").unwrap();
    let mut worker = Worker::start_in(Some(network.into()));
    let upstream = upstream();
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let datagrams = udp.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        let (_, from) = udp.recv_from(&mut buffer).unwrap();
        udp.send_to(b"pong", from).unwrap();
    });
    let code = guest("http_sockets").await;
    let rules = json!([
        {"host": "127.0.0.1", "ports": [upstream.port()]},
        {"host": "127.0.0.1", "ports": [datagrams.port()], "protocols": ["UDP"]},
    ]);
    let task = granted("a", &code, json!({"network": {"outbound": rules}}));
    let ends = worker.start_task(task, &code).await;
    let path = format!("/?addr={upstream}&udp={datagrams}&addr=127.0.0.1:1&listen=0.0.0.0:0");
    let answer = get(ends.address, &path).await;
    assert!(
        answer.contains(&format!("tcp {upstream}: ok HTTP/1.1 200")),
        "{answer}"
    );
    assert!(answer.contains(&format!("udp {datagrams}: ok pong")), "{answer}");
    assert!(
        answer.contains("tcp 127.0.0.1:1: error PermissionDenied"),
        "{answer}"
    );
    assert!(answer.contains("listen 0.0.0.0:0: error"), "{answer}");
}
