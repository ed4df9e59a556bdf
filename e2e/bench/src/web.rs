//! A client for single requests. Load comes from `wrk`.

use anyhow::Context;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// A connection that is kept.
pub(crate) struct Connection {
    send: SendRequest<Empty<Bytes>>,
    host: String,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        let (send, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // An error of the connection is also one of its request.
        tokio::spawn(async { connection.await.ok() });
        Ok(Self {
            send,
            host: address.to_string(),
        })
    }

    /// The status and the first bytes of the body, at most `most`; what follows is not read.
    pub(crate) async fn get(&mut self, path: &str, most: usize) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let mut bytes = Vec::new();
        let status = self
            .read(path, most, |data| bytes.extend_from_slice(data))
            .await?;
        Ok((status, bytes))
    }

    /// Reads the first bytes of an answer, about `most`, and keeps none.
    pub(crate) async fn discard(&mut self, path: &str, most: usize) -> anyhow::Result<()> {
        self.read(path, most, |_| ()).await.map(|_| ())
    }

    async fn read(
        &mut self,
        path: &str,
        most: usize,
        mut take: impl FnMut(&[u8]),
    ) -> anyhow::Result<StatusCode> {
        self.send.ready().await?;
        let request = Request::get(path)
            .header(header::HOST, &self.host)
            .body(Empty::new())?;
        let response = self.send.send_request(request).await?;
        let status = response.status();
        let mut body = response.into_body();
        let mut read = 0;
        while read < most
            && let Some(frame) = body.frame().await
        {
            if let Some(data) = frame?.data_ref() {
                read += data.len();
                take(data);
            }
        }
        Ok(status)
    }
}

/// One request on a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str) -> anyhow::Result<(StatusCode, Vec<u8>)> {
    Connection::open(address).await?.get(path, 1 << 20).await
}
