//! A server with short timeouts, and clients that write bytes.

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use shoal_trigger::http::{
    Body, BodyError, BodyStalled, Handler, Request, Responding, Response, Routes, Running, ServerOptions,
    serve, text,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// How long anything may take before a test gives up. Never a measure of how fast something is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// What a server waits for in a test.
pub(crate) const SHORT: Duration = Duration::from_millis(500);
/// The beginning of an HTTP/2 connection: the preface, and SETTINGS without any.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// A request that is answered at once.
pub(crate) const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// Options whose timeouts are short.
pub(crate) fn impatient() -> ServerOptions {
    ServerOptions {
        head_timeout: SHORT,
        body_timeout: SHORT,
        write_timeout: SHORT,
        ..ServerOptions::default()
    }
}

/// Answers `/` at once, `/gate` once the gate has a permit, `/sink` once it has read the body, `/endless` without end.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) gate: Arc<Semaphore>,
    /// Requests that wait at the gate.
    waiting: Arc<AtomicUsize>,
    /// Shared by the answers of `/endless` that have not been dropped.
    pub(crate) endless: Arc<()>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self {
            gate: Arc::new(Semaphore::new(0)),
            waiting: Arc::default(),
            endless: Arc::new(()),
        }
    }

    /// Serves it.
    pub(crate) async fn serve(&self, options: ServerOptions) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let handler: Arc<dyn Handler> = Arc::new(self.clone());
        serve(listener, Routes::all(handler), options).expect("a server")
    }

    /// Requests that wait at the gate.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    fn endless(&self) -> Response {
        let held = Arc::clone(&self.endless);
        let parts = stream::repeat_with(move || {
            let _held = &held;
            Ok::<_, BodyError>(Frame::data(Bytes::from(vec![b'x'; 1 << 20])))
        });
        Response::new(Body::new(StreamBody::new(parts.boxed())))
    }
}

impl Handler for Site {
    fn handle(&self, request: Request) -> Responding {
        let site = self.clone();
        Box::pin(async move {
            match request.uri().path() {
                "/gate" => {
                    site.waiting.fetch_add(1, Ordering::SeqCst);
                    site.gate.acquire().await.expect("the gate").forget();
                    hello()
                }
                "/sink" => match request.into_body().collect().await {
                    Ok(all) => text(http::StatusCode::OK, format!("{} bytes\n", all.to_bytes().len())),
                    Err(error) if error.is::<BodyStalled>() => {
                        text(http::StatusCode::REQUEST_TIMEOUT, "stalled\n".to_owned())
                    }
                    Err(error) => text(http::StatusCode::BAD_REQUEST, format!("{error}\n")),
                },
                "/endless" => site.endless(),
                _ => hello(),
            }
        })
    }
}

fn hello() -> Response {
    let body = Full::from("hello\n").map_err(|never| match never {});
    Response::new(Body::new(body))
}

/// A connection of bytes.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(
            within("connect", TcpStream::connect(address))
                .await
                .expect("a connection"),
        )
    }

    /// Connects and writes.
    pub(crate) async fn with(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Self {
        let mut raw = Self::connect(address).await;
        assert!(raw.write(bytes).await, "a new connection takes some bytes");
        raw
    }

    /// Writes; false where the other side has closed.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Reads until `text` comes.
    pub(crate) async fn read_until(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        loop {
            let mut byte = [0; 1024];
            let count = within(text, self.0.read(&mut byte)).await.expect("bytes");
            assert!(
                count > 0,
                "closed before {text:?}: {}",
                String::from_utf8_lossy(&read)
            );
            read.extend_from_slice(&byte[..count]);
            let seen = String::from_utf8_lossy(&read);
            if seen.contains(text) {
                return seen.into_owned();
            }
        }
    }

    /// What comes until the other side closes.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut read = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        // A reset is an end too.
        while let Ok(count @ 1..) = within("the end", self.0.read(&mut buffer)).await {
            read.extend_from_slice(&buffer[..count]);
        }
        read
    }
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// HEADERS of a GET of `path`, END_STREAM and END_HEADERS set (RFC 7541: `:method GET`, `:scheme http`, a literal `:path` and `host`).
pub(crate) fn headers(stream: u32, path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x04];
    block.push(u8::try_from(path.len()).expect("a short path"));
    block.extend(path.as_bytes());
    block.extend(b"\x01\x01x");
    frame(1, 0x5, stream, &block)
}

/// Fails where `future` takes for ever.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: nothing within {PATIENCE:?}"),
    }
}
