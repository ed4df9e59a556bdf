//! Standard streams: lines for a log, or those of this process.

use crate::logs::{Hold, Lines, LogSink, Logs, Room, Stream};
use bytes::Bytes;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// Bytes that a guest may write at once.
const CHUNK: usize = 64 << 10;

/// Where a component's standard streams lead.
#[derive(Clone, Default)]
pub enum Stdio {
    /// Nowhere: input is at its end, output is thrown away.
    #[default]
    Null,
    /// Output goes to a log, line by line, no more than `rate` bytes per second; input is at its end.
    Lines {
        /// Where the lines go.
        sink: Arc<dyn LogSink>,
        /// `limits.logRate`.
        rate: u64,
    },
    /// Those of this process, untouched. For one instance that runs in the foreground.
    Inherit,
}

impl Stdio {
    /// The log that lines go to.
    pub(crate) fn sink(&self) -> Option<Arc<dyn LogSink>> {
        match self {
            Self::Lines { sink, .. } => Some(Arc::clone(sink)),
            Self::Null | Self::Inherit => None,
        }
    }
}

impl fmt::Debug for Stdio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Lines { rate, .. } => write!(f, "Lines {{ rate: {rate} }}"),
            Self::Inherit => f.write_str("Inherit"),
        }
    }
}

/// [`Stdio`], made ready once for all instances of a component.
#[derive(Clone, Debug)]
pub(crate) enum Streams {
    Null,
    Lines(Arc<Logs>),
    Inherit,
}

impl From<Stdio> for Streams {
    fn from(stdio: Stdio) -> Self {
        match stdio {
            Stdio::Null => Self::Null,
            Stdio::Lines { sink, rate } => Self::Lines(Arc::new(Logs::new(sink, rate))),
            Stdio::Inherit => Self::Inherit,
        }
    }
}

impl Streams {
    /// Connects an instance.
    pub(crate) fn connect(&self, builder: &mut WasiCtxBuilder, hold: Hold, request: &Arc<AtomicU64>) {
        match self {
            Self::Null => {}
            Self::Inherit => {
                builder.inherit_stdio();
            }
            Self::Lines(logs) => {
                let stream = |stream| LineStream {
                    lines: Arc::new(Mutex::new(Lines::new(
                        Arc::clone(logs),
                        stream,
                        hold,
                        Arc::clone(request),
                    ))),
                    logs: Arc::clone(logs),
                    stream,
                    hold,
                    granted: false,
                    permit: 0,
                    waits: Mutex::default(),
                };
                builder
                    .stdout(stream(Stream::Stdout))
                    .stderr(stream(Stream::Stderr));
            }
        }
    }
}

/// A stream of a guest. All handles to it share the line that is not complete yet.
struct LineStream {
    lines: Arc<Mutex<Lines>>,
    logs: Arc<Logs>,
    stream: Stream,
    hold: Hold,
    /// It has waited, and may write once, even where another instance has taken the room meanwhile.
    granted: bool,
    /// Bytes that the guest was told it may write.
    permit: usize,
    /// The wait for room in the log, once it has begun. Only ever taken by `get_mut`: the mutex makes it `Sync`.
    waits: Mutex<Option<Room>>,
}

impl Clone for LineStream {
    fn clone(&self) -> Self {
        Self {
            lines: Arc::clone(&self.lines),
            logs: Arc::clone(&self.logs),
            stream: self.stream,
            hold: self.hold,
            granted: false,
            permit: 0,
            waits: Mutex::default(),
        }
    }
}

impl LineStream {
    fn push(&self, bytes: &[u8]) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.write(bytes);
    }

    /// Waits until the guest may write.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let waits = self.waits.get_mut().unwrap_or_else(PoisonError::into_inner);
        if waits.is_none() && !self.granted && !self.logs.has_room(self.stream, self.hold) {
            let (logs, stream, hold) = (Arc::clone(&self.logs), self.stream, self.hold);
            *waits = Some(Box::pin(async move { logs.room(stream, hold).await }));
        }
        if let Some(room) = waits {
            std::task::ready!(room.as_mut().poll(cx));
        }
        *waits = None;
        self.granted = true;
        Poll::Ready(())
    }
}

impl IsTerminal for LineStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LineStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for LineStream {
    async fn ready(&mut self) {
        poll_fn(|cx| self.poll_room(cx)).await;
    }
}

impl OutputStream for LineStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        // A guest that does not ask could print more than anybody holds.
        if bytes.len() > self.permit {
            return Err(StreamError::trap(
                "more was written to a standard stream than `check-write` allowed",
            ));
        }
        self.permit -= bytes.len();
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let granted = std::mem::take(&mut self.granted) || self.logs.has_room(self.stream, self.hold);
        self.permit = if granted { CHUNK } else { 0 };
        Ok(self.permit)
    }
}

impl AsyncWrite for LineStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_room(cx));
        self.granted = false;
        let bytes = bytes.get(..CHUNK).unwrap_or(bytes);
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
