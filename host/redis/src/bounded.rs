//! A connection whose answers hold no value larger than allowed. What is too large is taken off the wire without being kept, and an
//! error stands in its place, so that the connection goes on: whoever may write to a Redis could otherwise fill our memory with one
//! message. RESP: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How large answers may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of one value.
    pub(crate) value: u64,
    /// Bytes of all values of one answer, or of one message.
    pub(crate) answer: u64,
}

/// What stands in the place of a value that was too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instead {
    /// An error, which says how large it was.
    Error,
    /// Nothing: errors are answers to commands, and have no place within a message.
    Nothing,
}

/// The first word of the error that stands for a value that was too large.
pub(crate) const TOO_LARGE: &str = "TOOLARGE";

/// The longest line that announces something; a length has at most twenty digits.
const MAX_HEAD: usize = 32;

/// Sees answers pass by.
struct Filter {
    bounds: Bounds,
    instead: Instead,
    at: At,
    /// Values of the answer that are still to come.
    expected: u64,
    /// Bytes that the answer may still have.
    left: u64,
}

enum At {
    /// At the beginning of a line.
    Start,
    /// Within a line that announces a length; held back until it is read.
    Head(Vec<u8>),
    /// Within another line.
    Line,
    /// Within a value, with the bytes to its end.
    Value(u64),
    /// Within a value that is thrown away.
    Dropped(u64),
}

impl Filter {
    fn new(bounds: Bounds, instead: Instead) -> Self {
        Self {
            bounds,
            instead,
            at: At::Start,
            expected: 1,
            left: bounds.answer,
        }
    }

    /// Passes on to `out` what may pass of `read`.
    fn pass(&mut self, mut read: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        while let Some((&first, rest)) = read.split_first() {
            match &mut self.at {
                At::Start if b"$=!*%~>|".contains(&first) => {
                    self.at = At::Head(vec![first]);
                    read = rest;
                }
                At::Start => self.at = At::Line,
                At::Line => {
                    let end = read.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
                    let (line, rest) = read.split_at(end.unwrap_or(read.len()));
                    out.extend_from_slice(line);
                    read = rest;
                    if end.is_some() {
                        self.at = At::Start;
                        self.one_less();
                    }
                }
                At::Head(head) => {
                    head.push(first);
                    read = rest;
                    if first == b'\n' {
                        let head = std::mem::take(head);
                        self.announced(&head, out)?;
                    } else if head.len() > MAX_HEAD {
                        return Err(odd("a length has too many digits"));
                    }
                }
                At::Value(left) | At::Dropped(left) => {
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                    let (part, rest) = read.split_at(here);
                    *left -= part.len() as u64;
                    read = rest;
                    let ended = *left == 0;
                    if let At::Value(_) = self.at {
                        out.extend_from_slice(part);
                    }
                    if ended {
                        self.at = At::Start;
                        self.one_less();
                    }
                }
            }
        }
        Ok(())
    }

    fn announced(&mut self, head: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let kind = head.first().copied().unwrap_or_default();
        let number = head.get(1..).and_then(|number| std::str::from_utf8(number).ok());
        let number = number.and_then(|number| number.trim_end().parse::<i64>().ok());
        let length = number.ok_or_else(|| odd("a length is no number"))?;
        self.at = At::Start;
        // -1 stands for nothing at all.
        let Ok(length) = u64::try_from(length) else {
            out.extend_from_slice(head);
            self.one_less();
            return Ok(());
        };
        match kind {
            b'*' | b'~' | b'>' => self.expected = self.expected.saturating_add(length),
            b'%' => self.expected = self.expected.saturating_add(length.saturating_mul(2)),
            // Attributes come before a value and are none.
            b'|' => {
                self.expected = self
                    .expected
                    .saturating_add(length.saturating_mul(2))
                    .saturating_add(1)
            }
            _ if length <= self.bounds.value && length <= self.left => {
                self.left -= length;
                out.extend_from_slice(head);
                self.at = At::Value(length + 2);
                return Ok(());
            }
            _ => {
                match self.instead {
                    Instead::Error => out.extend_from_slice(format!("-{TOO_LARGE} {length}\r\n").as_bytes()),
                    Instead::Nothing => out.extend_from_slice(b"$-1\r\n"),
                }
                self.at = At::Dropped(length.saturating_add(2));
                return Ok(());
            }
        }
        out.extend_from_slice(head);
        self.one_less();
        Ok(())
    }

    fn one_less(&mut self) {
        self.expected -= 1;
        if self.expected == 0 {
            (self.expected, self.left) = (1, self.bounds.answer);
        }
    }
}

fn odd(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// See the file's head.
pub(crate) struct Bounded<S> {
    inner: S,
    filter: Filter,
    raw: Box<[u8]>,
    /// What passed and was not yet taken, from `taken` on.
    passed: Vec<u8>,
    taken: usize,
}

impl<S> Bounded<S> {
    pub(crate) fn new(inner: S, bounds: Bounds, instead: Instead) -> Self {
        Self {
            inner,
            filter: Filter::new(bounds, instead),
            raw: vec![0; 16 << 10].into(),
            passed: Vec::new(),
            taken: 0,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let ready = this.passed.get(this.taken..).unwrap_or_default();
            if !ready.is_empty() {
                let part = ready.get(..buf.remaining()).unwrap_or(ready);
                buf.put_slice(part);
                this.taken += part.len();
                return Poll::Ready(Ok(()));
            }
            this.passed.clear();
            this.taken = 0;
            let mut raw = ReadBuf::new(&mut this.raw);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut raw))?;
            if raw.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.filter.pass(raw.filled(), &mut this.passed)?;
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(wire: &[u8], step: usize) -> io::Result<String> {
        passed_with(Instead::Error, wire, step)
    }

    fn passed_with(instead: Instead, wire: &[u8], step: usize) -> io::Result<String> {
        let mut filter = Filter::new(Bounds { value: 5, answer: 8 }, instead);
        let mut out = Vec::new();
        for part in wire.chunks(step) {
            filter.pass(part, &mut out)?;
        }
        Ok(String::from_utf8(out).expect("text"))
    }

    /// However the bytes are cut up.
    fn check(wire: &str, expected: &str) {
        for step in 1..=wire.len() {
            assert_eq!(
                passed(wire.as_bytes(), step).expect("it passes"),
                expected,
                "in steps of {step}"
            );
        }
    }

    #[test]
    fn what_is_small_enough_passes_unchanged() {
        for wire in [
            "+OK\r\n",
            "$5\r\nhe\r\no\r\n",
            "$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n",
            "*2\r\n:1\r\n*2\r\n$1\r\na\r\n-ERR no\r\n",
            "%1\r\n+a\r\n$2\r\nbb\r\n|1\r\n+k\r\n+v\r\n:5\r\n>2\r\n+message\r\n$3\r\nabc\r\n",
        ] {
            check(wire, wire);
        }
    }

    #[test]
    fn what_is_too_large_is_an_error_in_its_place() {
        check("$6\r\nsecret\r\n+OK\r\n", "-TOOLARGE 6\r\n+OK\r\n");
        check(
            "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nabcde\r\n",
            "*3\r\n-TOOLARGE 7\r\n$1\r\nc\r\n$5\r\nabcde\r\n",
        );
    }

    #[test]
    fn a_message_that_is_too_large_is_one_with_nothing_in_it() {
        let wire = b"*2\r\n$1\r\nc\r\n$9\r\nabcdefghi\r\n+OK\r\n";
        let passed = passed_with(Instead::Nothing, wire, 7).expect("it passes");
        assert_eq!(passed, "*2\r\n$1\r\nc\r\n$-1\r\n+OK\r\n");
    }

    #[test]
    fn an_answer_has_an_end_too() {
        // The third has no room left; the next answer begins with all of it.
        check(
            "*3\r\n$4\r\naaaa\r\n$4\r\nbbbb\r\n$1\r\nc\r\n$5\r\nddddd\r\n",
            "*3\r\n$4\r\naaaa\r\n$4\r\nbbbb\r\n-TOOLARGE 1\r\n$5\r\nddddd\r\n",
        );
    }

    #[test]
    fn what_is_no_protocol_ends_the_connection() {
        assert!(passed(b"$abc\r\n", 3).is_err());
        assert!(passed(b"$99999999999999999999999999999999999999\r\n", 3).is_err());
    }
}
