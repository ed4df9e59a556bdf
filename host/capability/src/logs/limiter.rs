//! A component's share of the log: a token bucket, filled at `limits.logRate`.

use super::{LogSink, RequestId, Stream};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of a line before it is cut.
pub(crate) const MAX_LINE: usize = 16 << 10;

/// How often dropped output is reported.
const REPORT: Duration = Duration::from_secs(1);

/// The log of one component, shared by all its instances.
pub(crate) struct Logs {
    sink: Arc<dyn LogSink>,
    bucket: Mutex<Bucket>,
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs").finish_non_exhaustive()
    }
}

impl Logs {
    /// `rate` is in bytes per second; a second's worth may come at once.
    pub(crate) fn new(sink: Arc<dyn LogSink>, rate: u64) -> Self {
        Self {
            sink,
            bucket: Mutex::new(Bucket::new(rate, Instant::now())),
        }
    }

    pub(crate) fn line(&self, stream: Stream, request: RequestId, line: &[u8]) {
        let (pass, dropped) = {
            let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            // The line break counts too, or a flood of empty lines would be free.
            (bucket.take(line.len() as u64 + 1, now), bucket.report(now))
        };
        if let Some(bytes) = dropped {
            self.sink.dropped(bytes);
        }
        if pass {
            self.sink.line(stream, request, line);
        }
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        let bucket = self.bucket.get_mut().unwrap_or_else(PoisonError::into_inner);
        if bucket.dropped > 0 {
            self.sink.dropped(bucket.dropped);
        }
    }
}

/// The bucket itself. Pure: it is told the time.
struct Bucket {
    rate: u64,
    /// Bytes that may pass now.
    level: u64,
    filled: Instant,
    /// Bytes dropped since the last report.
    dropped: u64,
    reported: Option<Instant>,
}

impl Bucket {
    fn new(rate: u64, now: Instant) -> Self {
        Self {
            rate,
            level: capacity(rate),
            filled: now,
            dropped: 0,
            reported: None,
        }
    }

    fn take(&mut self, bytes: u64, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.filled);
        let gained = u128::from(self.rate) * elapsed.as_nanos() / 1_000_000_000;
        // Time moves on only with what it brought, or many small steps would fill nothing.
        if gained > 0 {
            let gained = u64::try_from(gained).unwrap_or(u64::MAX);
            self.level = self.level.saturating_add(gained).min(capacity(self.rate));
            self.filled = now;
        }
        let pass = self.level >= bytes;
        if pass {
            self.level -= bytes;
        } else {
            self.dropped = self.dropped.saturating_add(bytes);
        }
        pass
    }

    fn report(&mut self, now: Instant) -> Option<u64> {
        let due = self
            .reported
            .is_none_or(|last| now.saturating_duration_since(last) >= REPORT);
        if self.dropped == 0 || !due {
            return None;
        }
        self.reported = Some(now);
        Some(std::mem::take(&mut self.dropped))
    }
}

/// A second's worth, but never less than one whole line: a low rate must not mean silence.
fn capacity(rate: u64) -> u64 {
    rate.max(MAX_LINE as u64 + 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_worth_passes_then_nothing_then_as_much_as_time_brings() {
        let start = Instant::now();
        let mut bucket = Bucket::new(100_000, start);
        assert!((0..100).all(|_| bucket.take(1000, start)));
        assert!(!bucket.take(1000, start));
        let later = start + Duration::from_millis(25);
        assert!((0..2).all(|_| bucket.take(1000, later)));
        assert!(!bucket.take(1000, later));
    }

    #[test]
    fn small_steps_of_time_add_up() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1000, start);
        bucket.level = 0;
        for step in 1..=1000_u64 {
            bucket.take(u64::MAX, start + Duration::from_micros(100 * step));
        }
        assert_eq!(bucket.level, 100);
    }

    #[test]
    fn what_was_dropped_is_reported_once_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1, start);
        bucket.level = 0;
        bucket.take(10, start);
        assert_eq!(bucket.report(start), Some(10));
        bucket.take(20, start);
        assert_eq!(bucket.report(start + Duration::from_millis(900)), None);
        bucket.take(30, start);
        assert_eq!(bucket.report(start + Duration::from_millis(1000)), Some(50));
        assert_eq!(
            bucket.report(start + Duration::from_secs(9)),
            None,
            "nothing was dropped"
        );
    }

    #[test]
    fn a_low_rate_still_lets_a_whole_line_pass() {
        let now = Instant::now();
        assert!(Bucket::new(10, now).take(MAX_LINE as u64 + 1, now));
    }
}
