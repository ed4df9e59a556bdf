//! One stream of one instance: bytes in, lines out.

use super::{Logs, MAX_LINE, RequestId, Stream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Ends a line that was cut; what follows comes as a line of its own.
const MARK: &[u8] = b" [cut at 16384 bytes]";

/// Collects the bytes of a stream until a line is complete. What is left is a line too, once the stream is dropped.
#[derive(Debug)]
pub(crate) struct Lines {
    logs: Arc<Logs>,
    stream: Stream,
    /// The request that the instance works on, which changes where instances are reused.
    request: Arc<AtomicU64>,
    /// The beginning of a line: at most `MAX_LINE` bytes.
    partial: Vec<u8>,
}

impl Lines {
    pub(crate) fn new(logs: Arc<Logs>, stream: Stream, request: Arc<AtomicU64>) -> Self {
        Self {
            logs,
            stream,
            request,
            partial: Vec::new(),
        }
    }

    pub(crate) fn write(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if self.partial.is_empty() && line.len() <= MAX_LINE {
                self.emit(line);
            } else {
                self.append(line);
                self.flush();
            }
        }
        self.append(bytes);
    }

    fn append(&mut self, mut bytes: &[u8]) {
        while self.partial.len() + bytes.len() > MAX_LINE {
            let (head, rest) = bytes.split_at(MAX_LINE - self.partial.len());
            bytes = rest;
            let mut line = std::mem::take(&mut self.partial);
            line.extend_from_slice(head);
            line.extend_from_slice(MARK);
            self.emit(&line);
        }
        self.partial.extend_from_slice(bytes);
    }

    fn flush(&mut self) {
        let line = std::mem::take(&mut self.partial);
        self.emit(&line);
    }

    fn emit(&self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.logs
            .line(self.stream, RequestId(self.request.load(Ordering::Relaxed)), line);
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.partial.is_empty() {
            self.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::LogSink;
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>, Mutex<u64>);

    impl LogSink for Seen {
        fn line(&self, _: Stream, request: RequestId, line: &[u8]) {
            self.0
                .lock()
                .expect("lock")
                .push(format!("{}:{}", request.0, String::from_utf8_lossy(line)));
        }

        fn dropped(&self, bytes: u64) {
            *self.1.lock().expect("lock") += bytes;
        }
    }

    fn lines(rate: u64) -> (Arc<Seen>, Arc<AtomicU64>, Lines) {
        let seen = Arc::new(Seen::default());
        let request = Arc::new(AtomicU64::new(7));
        let logs = Arc::new(Logs::new(Arc::clone(&seen) as Arc<dyn LogSink>, rate));
        (
            seen,
            Arc::clone(&request),
            Lines::new(logs, Stream::Stdout, request),
        )
    }

    #[test]
    fn output_is_cut_into_lines_wherever_writes_end() {
        let (seen, request, mut lines) = lines(1 << 20);
        lines.write(b"one\ntw");
        lines.write(b"o\r\n\nthr");
        lines.write(b"ee");
        request.store(8, Ordering::Relaxed);
        drop(lines);
        assert_eq!(*seen.0.lock().expect("lock"), ["7:one", "7:two", "7:", "8:three"]);
    }

    #[test]
    fn long_lines_are_cut_with_a_mark_and_nothing_is_lost() {
        let (seen, _, mut lines) = lines(1 << 20);
        let long = vec![b'x'; MAX_LINE * 2 + 5];
        lines.write(&long[..100]);
        lines.write(&long[100..]);
        assert!(lines.partial.capacity() <= 2 * MAX_LINE);
        lines.write(b"\nend\n");
        let seen = seen.0.lock().expect("lock");
        let marked = MAX_LINE + MARK.len() + 2;
        assert_eq!(
            seen.iter().map(String::len).collect::<Vec<_>>(),
            [marked, marked, 7, 5]
        );
        assert!(seen[0].ends_with("x [cut at 16384 bytes]"));
    }

    #[test]
    fn a_flood_is_dropped_and_counted_to_the_byte() {
        let (seen, _, mut lines) = lines(0);
        let written = 10_000 * 100;
        for _ in 0..10_000 {
            lines.write(&[b"y".repeat(99).as_slice(), b"\n"].concat());
        }
        drop(lines);
        let passed: usize = seen
            .0
            .lock()
            .expect("lock")
            .iter()
            .map(|line| line.len() - 2 + 1)
            .sum();
        assert_eq!(passed as u64 + *seen.1.lock().expect("lock"), written);
        assert!(passed <= MAX_LINE + 64);
    }
}
