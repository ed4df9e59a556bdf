//! When a call of a request is over at the latest: a deadline for the head of the answer, then one that moves on with the bodies.
//! Pure: the time is told by whoever asks.

use crate::call::failure::Failure;
use crate::call::limits::UnitLimits;
use shoal_engine::Fault;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A call whose body moves is looked at no more often than this, unless it is over before.
const SELDOM: Duration = Duration::from_secs(1);

/// How far the answer of one call is, and what that means for its time.
#[derive(Debug)]
pub(crate) struct Pace {
    start: Instant,
    /// When the head must be there.
    head_by: Instant,
    request_timeout: Duration,
    idle_timeout: Duration,
    /// A [`Phase`], with the milliseconds from the start until it began or something moved.
    state: AtomicU64,
}

/// What the answer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its head is waited for.
    Head = 0,
    /// Its body is on the way, and a part of a body moved at that time.
    Body = 1,
    /// Its body ended at that time. What the guest still does nobody waits for.
    After = 2,
}

/// Whether a call may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// No: its time is over.
    Over,
    /// Yes; look again at that time, or when something is known to have changed.
    Again(Instant),
}

impl Pace {
    /// Of a call that began at `start` and whose head must be there at `head_by`.
    pub(crate) fn new(start: Instant, head_by: Instant, limits: &UnitLimits) -> Self {
        Self {
            start,
            head_by,
            request_timeout: limits.request_timeout,
            idle_timeout: limits.stream_idle_timeout,
            state: AtomicU64::new(Phase::Head as u64),
        }
    }

    fn state(&self) -> (Phase, Instant) {
        let state = self.state.load(Ordering::Acquire);
        let phase = match state & 3 {
            0 => Phase::Head,
            1 => Phase::Body,
            _ => Phase::After,
        };
        (phase, self.start + Duration::from_millis(state >> 2))
    }

    fn encode(&self, phase: Phase, now: Instant) -> u64 {
        let millis = now.saturating_duration_since(self.start).as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX >> 2) << 2 | phase as u64
    }

    /// The head was handed over, and the body is on its way.
    pub(crate) fn head(&self, now: Instant) {
        self.state.store(self.encode(Phase::Body, now), Ordering::Release);
    }

    /// A part of the answer's body, or of the request's, went where it belongs.
    pub(crate) fn moved(&self) {
        let before = self.state.load(Ordering::Relaxed);
        if before & 3 == Phase::Body as u64 {
            let now = self.encode(Phase::Body, Instant::now());
            // Where that fails, another part moved, or the last one.
            let _ = self
                .state
                .compare_exchange(before, now, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// The answer's body ended.
    pub(crate) fn ended(&self, now: Instant) {
        self.state
            .store(self.encode(Phase::After, now), Ordering::Release);
    }

    /// Until when the head is waited for; none once it is there.
    pub(crate) fn head_by(&self) -> Option<Instant> {
        (self.state().0 == Phase::Head).then_some(self.head_by)
    }

    /// Whether the call may go on.
    pub(crate) fn look(&self, now: Instant) -> Look {
        let (phase, since) = self.state();
        let over = match phase {
            Phase::Head => self.head_by,
            Phase::Body => crate::call::deadline::after(since, self.idle_timeout),
            Phase::After => crate::call::deadline::after(since, self.request_timeout),
        };
        match phase {
            _ if over <= now => Look::Over,
            // The body may end at any time, and nobody is woken by that.
            Phase::Body => Look::Again(over.min(now + self.request_timeout.max(SELDOM))),
            Phase::Head | Phase::After => Look::Again(over),
        }
    }

    /// Why a call that is over failed.
    pub(crate) fn failure(&self) -> Failure {
        match self.state().0 {
            Phase::Head => Fault::Deadline {
                limit: self.request_timeout,
            }
            .into(),
            Phase::Body => Failure::StreamIdle {
                limit: self.idle_timeout,
            },
            Phase::After => Failure::NeverEnds {
                limit: self.request_timeout,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(60);

    fn pace(start: Instant) -> Pace {
        Pace {
            start,
            head_by: start + START,
            request_timeout: START,
            idle_timeout: IDLE,
            state: AtomicU64::new(0),
        }
    }

    #[test]
    fn a_head_has_its_time_and_then_each_part_has_its_own() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let pace = pace(start);
        assert_eq!(pace.look(at(0)), Look::Again(at(10)));
        assert_eq!((pace.look(at(10)), pace.head_by()), (Look::Over, Some(at(10))));
        assert!(matches!(
            pace.failure(),
            Failure::Fault(Fault::Deadline { limit: START })
        ));
        // The head came in time, and the body goes on beyond that.
        pace.head(at(9));
        assert_eq!((pace.look(at(9)), pace.head_by()), (Look::Again(at(19)), None));
        assert_eq!(pace.look(at(65)), Look::Again(at(69)));
        assert_eq!(pace.look(at(69)), Look::Over);
        assert!(matches!(pace.failure(), Failure::StreamIdle { limit: IDLE }));
        pace.head(at(3600));
        assert_eq!(pace.look(at(3601)), Look::Again(at(3611)));
        // After its end there is as much time as for a head.
        pace.ended(at(3601));
        assert_eq!(pace.look(at(3602)), Look::Again(at(3611)));
        assert_eq!(pace.look(at(3611)), Look::Over);
        assert!(matches!(pace.failure(), Failure::NeverEnds { limit: START }));
    }

    #[test]
    fn parts_move_it_on_while_the_body_is_on_its_way_and_never_else() {
        let start = Instant::now() - Duration::from_secs(1000);
        let pace = pace(start);
        pace.moved();
        assert_eq!(pace.state().0, Phase::Head);
        pace.head(start);
        pace.moved();
        let (phase, since) = pace.state();
        assert_eq!(phase, Phase::Body);
        assert!(since >= start + Duration::from_secs(999));
        pace.ended(start);
        pace.moved();
        assert_eq!(pace.state(), (Phase::After, start));
    }
}
