//! The socket of a connection, with a timeout for clients that don't read, and its end. What is said on it is hyper's business.
//!
//! A socket that is closed while its client still sends is reset, and the reset may overtake the answer. So the end is said first, and
//! what still comes is read and dropped for a while (RFC 9112 section 9.6).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::server::{Linger, ServerOptions};
use super::table::Connection;

/// Bytes that are dropped at once.
const DROPPED: usize = 8 << 10;

/// A client's socket.
pub(super) struct Wire {
    stream: TcpStream,
    /// Time in which a blocked socket must take a byte.
    timeout: Duration,
    /// Set while it is blocked.
    timer: Option<Pin<Box<Sleep>>>,
    connection: Arc<Connection>,
    linger: Linger,
    /// Whether the client has sent its end.
    ended: bool,
    /// Set once our end was sent.
    closing: Option<Closing>,
}

/// What is still taken of a client that was sent our end.
struct Closing {
    /// How many bytes.
    left: usize,
    /// Until when at the latest.
    until: Instant,
    /// Until when unless something comes.
    timer: Pin<Box<Sleep>>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, options: &ServerOptions, connection: Arc<Connection>) -> Self {
        Self {
            stream,
            timeout: options.write_timeout,
            timer: None,
            connection,
            linger: options.linger,
            ended: false,
            closing: None,
        }
    }

    /// Drops what still comes, until the client has sent its end or no more is taken of it.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Linger { idle, most, bytes } = self.linger;
        let connection = &self.connection;
        let closing = self.closing.get_or_insert_with(|| {
            connection.lingers();
            Closing {
                left: bytes,
                until: Instant::now() + most,
                timer: Box::pin(tokio::time::sleep(idle.min(most))),
            }
        });
        let mut buffer = [0; DROPPED];
        loop {
            let mut read = ReadBuf::new(&mut buffer);
            match Pin::new(&mut self.stream).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    closing.left = closing.left.saturating_sub(read.filled().len());
                    if closing.left == 0 {
                        return Poll::Ready(());
                    }
                    let next = (Instant::now() + idle).min(closing.until);
                    closing.timer.as_mut().reset(next);
                }
                // The client's end, or a reset.
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return closing.timer.as_mut().poll(cx),
            }
        }
    }

    /// What a write came to; an error where the client has read nothing for too long.
    fn written(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = polled {
            self.timer = None;
            if let Ok(bytes) = &written {
                self.connection.wrote(*bytes);
            }
            return Poll::Ready(written);
        }
        let timeout = self.timeout;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client does not read",
        )))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        self.ended |= read.is_err() || (buffer.filled().len() == before && buffer.remaining() > 0);
        Poll::Ready(read)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.written(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        if !self.ended {
            ready!(self.drain(cx));
        }
        Poll::Ready(Ok(()))
    }
}
