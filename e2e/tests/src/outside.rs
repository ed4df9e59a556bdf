//! Servers on loopback for guests to reach, or to be kept from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

/// A server; it ends when this is dropped.
pub struct Outside {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    all: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Outside {
    /// Answers every TCP connection's first bytes with "pong".
    pub async fn tcp() -> Self {
        Self::on(Ipv4Addr::LOCALHOST.into(), "pong\n").await
    }

    /// The same, on another address of this machine.
    pub async fn tcp_on(ip: IpAddr) -> Self {
        Self::on(ip, "pong\n").await
    }

    /// Answers every HTTP request with 200 and a text.
    pub async fn http() -> Self {
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 19\r\n\r\nhello from outside\n";
        Self::on(Ipv4Addr::LOCALHOST.into(), answer).await
    }

    /// Answers the first bytes of every connection as an HTTP request, and closes it at once.
    pub async fn http_closing() -> Self {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello\n";
        Self::serve(Ipv4Addr::LOCALHOST.into(), move |mut stream| async move {
            let mut buffer = [0; 16 << 10];
            if stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        })
        .await
    }

    /// Answers every HTTP request with the head that it came with, once all of the body is there that the head announces.
    pub async fn http_mirror() -> Self {
        Self::serve(Ipv4Addr::LOCALHOST.into(), |mut stream| async move {
            let mut head = Vec::new();
            while !is_whole(&head) {
                if !stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
                    return;
                }
            }
            let text = String::from_utf8_lossy(&head);
            let length = text.len();
            let answer =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}");
            let _ = stream.write_all(answer.as_bytes()).await;
            // Whoever still writes is not reset for it.
            while stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {}
        })
        .await
    }

    /// Answers every HTTP request with a body that never ends.
    pub async fn http_unending() -> Self {
        Self::on(
            Ipv4Addr::LOCALHOST.into(),
            "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbeginning",
        )
        .await
    }

    async fn on(ip: IpAddr, answer: &'static str) -> Self {
        Self::serve(ip, move |stream| converse(stream, answer)).await
    }

    /// Does with each connection what `each` does.
    async fn serve<F>(ip: IpAddr, each: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((ip, 0)).await.expect("a port on loopback");
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Seen>::default();
        let counted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&counted);
                let conversation = each(stream);
                tokio::spawn(async move {
                    seen.all.fetch_add(1, Ordering::SeqCst);
                    seen.most
                        .fetch_max(seen.open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    conversation.await;
                    seen.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, seen, task }
    }

    /// Answers every datagram with "pong".
    pub async fn udp() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port on loopback");
        let address = socket.local_addr().unwrap();
        let seen = Arc::<Seen>::default();
        let counted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((_, from)) = socket.recv_from(&mut buffer).await {
                counted.all.fetch_add(1, Ordering::SeqCst);
                let _ = socket.send_to(b"pong\n", from).await;
            }
        });
        Self { address, seen, task }
    }

    /// Connections, or datagrams, so far.
    pub fn seen(&self) -> usize {
        self.seen.all.load(Ordering::SeqCst)
    }

    /// The most connections that were open at once.
    pub fn most_open(&self) -> usize {
        self.seen.most.load(Ordering::SeqCst)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether a request is there with its head, and with as much of a body as that announces.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    body.len() >= length.map_or(0, |it| it.trim().parse().unwrap())
}

async fn converse(mut stream: TcpStream, answer: &str) {
    let mut buffer = [0; 16 << 10];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A port of loopback where nobody listens.
pub fn unused_port() -> u16 {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port on loopback");
    listener.local_addr().unwrap().port()
}
