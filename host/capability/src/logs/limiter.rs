//! A component's share of the log: a token bucket, filled at `limits.logRate`.

use super::{Hold, Line, LogSink, Stream};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of a line before it is cut.
pub(super) const MAX_LINE: usize = 1 << 20;
/// Bytes that every stream may hold of a line that is not complete.
pub(super) const SHORT_LINE: usize = 16 << 10;
/// Bytes beyond that, of all streams of the component together.
const LONG_LINES: usize = 4 << 20;
/// How long a guest that somebody waits for waits for a reader that reads nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often dropped output is reported.
const REPORT: Duration = Duration::from_secs(1);
/// The least time to wait for `limits.logRate`: one wait for many short lines.
const PAUSE: Duration = Duration::from_millis(5);

/// The log of one component, shared by all its instances.
pub(crate) struct Logs {
    sink: Arc<dyn LogSink>,
    bucket: Mutex<Bucket>,
    /// What of `LONG_LINES` is in use.
    long: AtomicUsize,
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
            long: AtomicUsize::new(0),
        }
    }

    pub(super) fn line(&self, hold: Hold, line: Line<'_>) {
        // The line break counts too, or a flood of empty lines would be free.
        let bytes = line.bytes.len() as u64 + 1;
        let (pass, dropped) = {
            let (mut bucket, now) = (self.bucket(), Instant::now());
            (bucket.take(hold, bytes, now), bucket.report(now))
        };
        if let Some(bytes) = dropped {
            self.sink.dropped(bytes);
        }
        if pass {
            self.sink.line(line);
        } else {
            self.sink.count_dropped(bytes);
        }
    }

    /// Whether a guest may print now.
    pub(crate) fn has_room(&self, stream: Stream, hold: Hold) -> bool {
        self.bucket().pause(hold, Instant::now()).is_none() && self.sink.has_room(stream, hold)
    }

    /// Waits until a guest may print.
    pub(crate) async fn room(&self, stream: Stream, hold: Hold) {
        loop {
            let pause = self.bucket().pause(hold, Instant::now());
            let Some(pause) = pause else { break };
            tokio::time::sleep(pause.max(PAUSE)).await;
        }
        let room = self.sink.room(stream, hold);
        match hold {
            Hold::UntilDeadline => room.await,
            Hold::WhileRead => {
                if tokio::time::timeout(PATIENCE, room).await.is_err() {
                    self.sink.give_up(stream);
                }
            }
        }
    }

    /// Room for so many bytes of a line beyond `SHORT_LINE`; false where other lines take it.
    pub(super) fn reserve(&self, bytes: usize) -> bool {
        let reserve = |used: usize| used.checked_add(bytes).filter(|it| *it <= LONG_LINES);
        self.long
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve)
            .is_ok()
    }

    pub(super) fn release(&self, bytes: usize) {
        self.long.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Bytes that may pass now; below zero, those that passed ahead of their time.
    level: i64,
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

    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled);
        let gained = u128::from(self.rate) * elapsed.as_nanos() / 1_000_000_000;
        // Time moves on only with what it brought, or many small steps would fill nothing.
        if gained > 0 {
            let gained = i64::try_from(gained).unwrap_or(i64::MAX);
            self.level = self.level.saturating_add(gained).min(capacity(self.rate));
            self.filled = now;
        }
    }

    /// Whether a line passes. One that is longer than the bucket holds passes once that is full; a guest that waits for its rate
    /// has waited already.
    fn take(&mut self, hold: Hold, bytes: u64, now: Instant) -> bool {
        self.fill(now);
        let bytes_or_most = i64::try_from(bytes).unwrap_or(i64::MAX);
        let held = hold == Hold::UntilDeadline && self.rate > 0;
        let pass = held || self.level >= bytes_or_most.min(capacity(self.rate));
        if pass {
            self.level = self.level.saturating_sub(bytes_or_most);
        } else {
            self.dropped = self.dropped.saturating_add(bytes);
        }
        pass
    }

    /// How long a guest has to wait before it prints; none where it need not, or waiting brings nothing.
    fn pause(&mut self, hold: Hold, now: Instant) -> Option<Duration> {
        if hold == Hold::WhileRead || self.rate == 0 {
            return None;
        }
        self.fill(now);
        let lacking = u64::try_from(1_i64.saturating_sub(self.level)).unwrap_or(0);
        let nanos = u128::from(lacking) * 1_000_000_000 / u128::from(self.rate);
        (lacking > 0).then(|| Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
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

/// A second's worth, but never less than a line of 16 KiB: a low rate must not mean silence.
fn capacity(rate: u64) -> i64 {
    i64::try_from(rate.max(SHORT_LINE as u64 + 64)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Hold::{UntilDeadline, WhileRead};

    #[test]
    fn a_seconds_worth_passes_then_nothing_then_as_much_as_time_brings() {
        let start = Instant::now();
        let mut bucket = Bucket::new(100_000, start);
        assert!((0..100).all(|_| bucket.take(WhileRead, 1000, start)));
        assert!(!bucket.take(WhileRead, 1000, start));
        let later = start + Duration::from_millis(25);
        assert!((0..2).all(|_| bucket.take(WhileRead, 1000, later)));
        assert!(!bucket.take(WhileRead, 1000, later));
    }

    #[test]
    fn one_that_waits_loses_nothing_and_waits_as_long_as_its_output_takes() {
        let start = Instant::now();
        let mut bucket = Bucket::new(100_000, start);
        assert_eq!(bucket.pause(UntilDeadline, start), None);
        assert!(bucket.take(UntilDeadline, 300_000, start));
        let pause = bucket.pause(UntilDeadline, start).unwrap();
        assert_eq!(pause.as_secs(), 2);
        assert_eq!(bucket.pause(UntilDeadline, start + pause), None);
        assert_eq!(bucket.dropped, 0);
        assert_eq!(
            bucket.pause(WhileRead, start),
            None,
            "it never waits for its rate"
        );
        let mut silent = Bucket::new(0, start);
        silent.level = 0;
        assert_eq!(silent.pause(UntilDeadline, start), None, "it would wait for ever");
        assert!(!silent.take(UntilDeadline, 1, start));
    }

    #[test]
    fn a_line_longer_than_the_bucket_passes_once_it_is_full() {
        let start = Instant::now();
        let mut bucket = Bucket::new(20_000, start);
        assert!(bucket.take(WhileRead, MAX_LINE as u64, start));
        assert!(!bucket.take(WhileRead, 1, start + Duration::from_secs(50)));
        let paid = start + Duration::from_secs(60);
        assert!(bucket.take(WhileRead, MAX_LINE as u64, paid));
    }

    #[test]
    fn small_steps_of_time_add_up() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1000, start);
        bucket.level = 0;
        for step in 1..=1000_u64 {
            bucket.take(WhileRead, u64::MAX, start + Duration::from_micros(100 * step));
        }
        assert_eq!(bucket.level, 100);
    }

    #[test]
    fn what_was_dropped_is_reported_once_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1, start);
        bucket.level = 0;
        bucket.take(WhileRead, 10, start);
        assert_eq!(bucket.report(start), Some(10));
        bucket.take(WhileRead, 20, start);
        assert_eq!(bucket.report(start + Duration::from_millis(900)), None);
        bucket.take(WhileRead, 30, start);
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
        assert!(Bucket::new(10, now).take(WhileRead, SHORT_LINE as u64 + 1, now));
    }

    #[test]
    fn what_long_lines_take_together_is_bounded() {
        struct Nowhere;
        impl LogSink for Nowhere {
            fn line(&self, _: Line<'_>) {}
            fn dropped(&self, _: u64) {}
        }
        let logs = Logs::new(Arc::new(Nowhere), 1);
        assert!((0..4).all(|_| logs.reserve(LONG_LINES / 4)));
        assert!(!logs.reserve(1));
        logs.release(LONG_LINES / 4);
        assert!(logs.reserve(LONG_LINES / 4));
    }
}
