//! Bytes on a TCP connection, for requests that no client library would send.

use crate::within;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection without a protocol.
pub struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address))
            .await
            .expect("a connection");
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// Writes; false where the other side does not take it any more.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Reads until `text` came, and returns everything until then.
    pub async fn read_until(&mut self, text: &str) -> String {
        loop {
            let seen = String::from_utf8_lossy(&self.read).into_owned();
            if seen.contains(text) {
                self.read.clear();
                return seen;
            }
            assert!(
                self.more().await,
                "the connection ended before {text:?}: {seen:?}"
            );
        }
    }

    /// Reads until the other side closes, and returns everything.
    pub async fn read_to_end(&mut self) -> String {
        while self.more().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }

    async fn more(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        let read = within("more bytes", self.stream.read(&mut buffer))
            .await
            .unwrap_or(0);
        self.read.extend_from_slice(&buffer[..read]);
        read > 0
    }
}

/// Sends bytes on a connection of their own and returns what comes back until it is closed.
pub async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut raw = Raw::connect(address).await;
    raw.write(bytes).await;
    raw.read_to_end().await
}
