//! A connection on which writing never fails for the reason that the other side is gone. A server may answer and close before it has read
//! the whole request; what it said is still there to be read, and is worth more than the error of a write.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Reads as the connection does. Once the other side takes no more, writes go nowhere.
pub(super) struct Lenient<S> {
    connection: S,
    gone: bool,
}

impl<S> Lenient<S> {
    pub(super) fn new(connection: S) -> Self {
        Self {
            connection,
            gone: false,
        }
    }

    /// What a write came to, where `all` stands for success.
    fn written<T>(&mut self, done: io::Result<T>, all: T) -> io::Result<T> {
        match done {
            Err(error) if is_gone(error.kind()) => {
                self.gone = true;
                Ok(all)
            }
            done => done,
        }
    }
}

fn is_gone(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::BrokenPipe
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::NotConnected
    )
}

impl<S: AsyncRead + Unpin> AsyncRead for Lenient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lenient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.gone {
            return Poll::Ready(Ok(bytes.len()));
        }
        let done = ready!(Pin::new(&mut self.connection).poll_write(context, bytes));
        Poll::Ready(self.written(done, bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.gone {
            return Poll::Ready(Ok(()));
        }
        let done = ready!(Pin::new(&mut self.connection).poll_flush(context));
        Poll::Ready(self.written(done, ()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.gone {
            return Poll::Ready(Ok(()));
        }
        let done = ready!(Pin::new(&mut self.connection).poll_shutdown(context));
        Poll::Ready(self.written(done, ()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn what_a_server_said_before_it_closed_is_read_whatever_becomes_of_writes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("an address");
        let mut client = Lenient::new(TcpStream::connect(address).await.expect("connect"));
        client.write_all(b"never read").await.expect("written");
        let (mut server, _) = listener.accept().await.expect("accept");
        server.readable().await.expect("readable");
        server.write_all(b"answer").await.expect("written");
        // With bytes unread, this resets the connection.
        drop(server);
        while !client.gone {
            client.write_all(b"more").await.expect("never an error");
            client.flush().await.expect("never an error");
            tokio::task::yield_now().await;
        }
        let mut answer = [0; 6];
        client.read_exact(&mut answer).await.expect("it is still there");
        assert_eq!(&answer, b"answer");
    }
}
