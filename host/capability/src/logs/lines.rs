//! One stream of one instance: bytes in, lines out.

use super::limiter::{Logs, MAX_LINE, SHORT_LINE};
use super::{Hold, Line, RequestId, Stream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Collects the bytes of a stream until a line is complete. What is left is a line too, once the stream is dropped.
#[derive(Debug)]
pub(crate) struct Lines {
    logs: Arc<Logs>,
    stream: Stream,
    hold: Hold,
    /// The request that the instance works on, which changes where instances are reused.
    request: Arc<AtomicU64>,
    /// The beginning of a line: at most `MAX_LINE` bytes.
    partial: Vec<u8>,
    /// Bytes of it beyond `SHORT_LINE`, which `logs` counts.
    reserved: usize,
}

impl Lines {
    pub(crate) fn new(logs: Arc<Logs>, stream: Stream, hold: Hold, request: Arc<AtomicU64>) -> Self {
        Self {
            logs,
            stream,
            hold,
            request,
            partial: Vec::new(),
            reserved: 0,
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
        loop {
            let (head, rest) = bytes.split_at(self.grow(bytes.len()));
            self.partial.extend_from_slice(head);
            if rest.is_empty() {
                return;
            }
            bytes = rest;
            // What follows comes as a line of its own.
            let mark = format!(" [cut at {} bytes]", self.partial.len());
            self.partial.extend_from_slice(mark.as_bytes());
            self.flush();
        }
    }

    /// How many bytes more it may hold: all of them, unless the line becomes too long, or others have long ones.
    fn grow(&mut self, bytes: usize) -> usize {
        let short = SHORT_LINE.saturating_sub(self.partial.len());
        if bytes <= short {
            return bytes;
        }
        let bytes = bytes.min(MAX_LINE.saturating_sub(self.partial.len()));
        let beyond = (self.partial.len() + bytes).saturating_sub(SHORT_LINE);
        let more = beyond.saturating_sub(self.reserved);
        if !self.logs.reserve(more) {
            return short;
        }
        self.reserved += more;
        bytes
    }

    fn flush(&mut self) {
        let line = std::mem::take(&mut self.partial);
        self.emit(&line);
        self.logs.release(std::mem::take(&mut self.reserved));
    }

    fn emit(&self, line: &[u8]) {
        let line = Line {
            stream: self.stream,
            request: RequestId(self.request.load(Ordering::Relaxed)),
            bytes: line.strip_suffix(b"\r").unwrap_or(line),
        };
        self.logs.line(self.hold, line);
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
    struct Seen(Mutex<Vec<String>>, Mutex<u64>, Mutex<u64>);

    impl LogSink for Seen {
        fn line(&self, line: Line<'_>) {
            let text = String::from_utf8_lossy(line.bytes);
            let mut seen = self.0.lock().expect("lock");
            seen.push(format!("{}:{text}", line.request.0));
        }

        fn count_dropped(&self, bytes: u64) {
            *self.2.lock().expect("lock") += bytes;
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
            Lines::new(logs, Stream::Stdout, Hold::WhileRead, request),
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
    fn long_lines_stay_whole_and_longer_ones_are_cut_with_a_mark() {
        let (seen, _, mut lines) = lines(16 << 20);
        let whole = vec![b'x'; MAX_LINE];
        lines.write(&whole[..100]);
        lines.write(&whole[100..]);
        lines.write(b"\nnext\n");
        let long = vec![b'y'; 2 * MAX_LINE + 5];
        for part in long.chunks(64 << 10) {
            lines.write(part);
            assert!(lines.partial.len() <= MAX_LINE);
        }
        lines.write(b"\n");
        assert_eq!(lines.reserved, 0);
        let seen = seen.0.lock().expect("lock");
        let mark = " [cut at 1048576 bytes]";
        let marked = MAX_LINE + mark.len() + 2;
        assert_eq!(
            seen.iter().map(String::len).collect::<Vec<_>>(),
            [MAX_LINE + 2, 6, marked, marked, 7]
        );
        assert!(seen[2].ends_with(&format!("y{mark}")));
    }

    #[test]
    fn where_others_have_long_lines_one_is_cut_early_and_nothing_is_lost() {
        let (seen, _, mut one) = lines(16 << 20);
        let logs = Arc::clone(&one.logs);
        while logs.reserve(1 << 20) {}
        one.write(&vec![b'x'; 2 * SHORT_LINE + 3]);
        drop(one);
        let seen = seen.0.lock().expect("lock");
        let bytes: usize = seen.iter().map(|it| it.matches('x').count()).sum();
        assert_eq!((seen.len(), bytes), (3, 2 * SHORT_LINE + 3));
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
        assert_eq!(passed as u64 + *seen.2.lock().expect("lock"), written);
        assert!(passed <= SHORT_LINE + 64);
    }
}
