//! Standard streams: lines for a log, or those of this process.

use crate::logs::{Lines, LogSink, Logs, Stream};
use bytes::Bytes;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

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
    pub(crate) fn connect(&self, builder: &mut WasiCtxBuilder, request: &Arc<AtomicU64>) {
        match self {
            Self::Null => {}
            Self::Inherit => {
                builder.inherit_stdio();
            }
            Self::Lines(logs) => {
                let stream =
                    |stream| LineStream::new(Lines::new(Arc::clone(logs), stream, Arc::clone(request)));
                builder
                    .stdout(stream(Stream::Stdout))
                    .stderr(stream(Stream::Stderr));
            }
        }
    }
}

/// A stream of a guest. All handles to it share the line that is not complete yet.
#[derive(Clone)]
struct LineStream(Arc<Mutex<Lines>>);

impl LineStream {
    fn new(lines: Lines) -> Self {
        Self(Arc::new(Mutex::new(lines)))
    }

    fn push(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes);
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
    async fn ready(&mut self) {}
}

impl OutputStream for LineStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK)
    }
}

impl AsyncWrite for LineStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
