//! The schedule trigger: waits for points in time and calls. When they are is in `next`.

mod next;

pub use jiff::Timestamp;
pub use next::{Due, Schedule, ScheduleError};

use crate::event::{Event, Handler, Tally, count};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What happens when a call is due while the last one still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Both run.
    Allow,
    /// The new call is skipped.
    Forbid,
    /// The old call is ended.
    Replace,
}

/// What a component is told of a point in time, by the name of the trigger.
pub fn event(trigger: &str, at: Timestamp) -> Event {
    Event {
        channel: trigger.to_owned(),
        payload: at.to_string().into_bytes(),
        attempt: 1,
        ..Event::default()
    }
}

/// What to wait for.
pub struct Options {
    /// For logs: the service.
    pub service: String,
    /// The trigger's name.
    pub name: String,
    /// When.
    pub schedule: Schedule,
    /// What happens when calls overlap.
    pub overlap: Overlap,
    /// How late a call may begin.
    pub deadline: Option<Duration>,
}

/// A trigger that waits until it is shut down or dropped.
pub struct Running {
    tally: Tally,
    stop: CancellationToken,
    calls: TaskTracker,
    waiting: JoinHandle<()>,
    cut: CancellationToken,
}

/// The longest sleep: the wall clock may be set meanwhile, and the machine may sleep.
const NAP: Duration = Duration::from_secs(15);

/// Begins to wait. What was due before is not made up for.
pub fn start(options: Options, handler: Arc<dyn Handler>) -> Running {
    let (tally, calls) = (Tally::new(&options.name), TaskTracker::new());
    let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
    let clock = Clock {
        options,
        handler,
        tally: tally.clone(),
        calls: calls.clone(),
        cut: cut.clone(),
        last: None,
    };
    let stopped = stop.clone();
    let waiting = tokio::spawn(async move {
        tokio::select! {
            () = clock.run() => {}
            () = stopped.cancelled() => {}
        }
    });
    Running {
        tally,
        stop,
        calls,
        waiting,
        cut,
    }
}

impl Running {
    /// What it counts.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Begins with nothing new from now on.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Begins with nothing new, and lets calls finish for as long as `grace`. Returns whether all of them finished.
    pub async fn shutdown(self, grace: Duration) -> bool {
        self.stop();
        self.calls.close();
        tokio::time::timeout(grace, self.calls.wait()).await.is_ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cut.cancel();
        self.waiting.abort();
    }
}

struct Clock {
    options: Options,
    handler: Arc<dyn Handler>,
    tally: Tally,
    calls: TaskTracker,
    cut: CancellationToken,
    /// The last call, which may have ended.
    last: Option<JoinHandle<()>>,
}

impl Clock {
    async fn run(mut self) {
        let mut last = Timestamp::now();
        while let Some(next) = self.options.schedule.next(last) {
            loop {
                let left = Timestamp::now().duration_until(next);
                let Ok(left) = Duration::try_from(left) else { break };
                if left.is_zero() {
                    break;
                }
                tokio::time::sleep(left.min(NAP)).await;
            }
            let now = Timestamp::now();
            let due = self.options.schedule.due(last, now, self.options.deadline);
            last = now.max(last);
            let dropped = &self.tally.counters().dropped;
            dropped.fetch_add(due.missed, Ordering::Relaxed);
            if let Some(run) = due.run {
                self.begin(run);
            }
        }
    }

    fn begin(&mut self, at: Timestamp) {
        let runs = self.last.as_ref().is_some_and(|last| !last.is_finished());
        let (service, trigger) = (&self.options.service, &self.options.name);
        match self.options.overlap {
            Overlap::Forbid if runs => {
                tracing::warn!(service, trigger, "skipped {at}: the last call still runs");
                return count(&self.tally.counters().dropped);
            }
            Overlap::Replace if runs => {
                tracing::warn!(service, trigger, "the last call still runs and is ended for {at}");
                if let Some(last) = &self.last {
                    last.abort();
                    count(&self.tally.counters().failed);
                }
            }
            _ => {}
        }
        count(&self.tally.counters().calls);
        let event = event(&self.options.name, at);
        let (handler, tally, cut) = (Arc::clone(&self.handler), self.tally.clone(), self.cut.clone());
        self.last = Some(self.calls.spawn(async move {
            let ended = tokio::select! {
                ended = handler.handle(event) => ended.is_ok(),
                () = cut.cancelled() => false,
            };
            let counters = tally.counters();
            count(match ended {
                true => &counters.succeeded,
                false => &counters.failed,
            });
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Handling;

    struct Endless;

    impl Handler for Endless {
        fn handle(&self, _: Event) -> Handling {
            Box::pin(std::future::pending())
        }

        fn places(&self) -> usize {
            1
        }
    }

    fn clock(overlap: Overlap) -> Clock {
        let options = Options {
            service: "s".to_owned(),
            name: "nightly".to_owned(),
            schedule: Schedule::parse("@daily", None).expect("a schedule"),
            overlap,
            deadline: None,
        };
        Clock {
            tally: Tally::new(&options.name),
            options,
            handler: Arc::new(Endless),
            calls: TaskTracker::new(),
            cut: CancellationToken::new(),
            last: None,
        }
    }

    #[tokio::test]
    async fn a_call_that_still_runs_is_joined_kept_or_ended() {
        let cases = [
            (Overlap::Allow, 2, [2, 0, 0]),
            (Overlap::Forbid, 1, [1, 0, 1]),
            (Overlap::Replace, 1, [2, 1, 0]),
        ];
        for (overlap, running, counted) in cases {
            let mut clock = clock(overlap);
            clock.begin(Timestamp::UNIX_EPOCH);
            tokio::task::yield_now().await;
            clock.begin(Timestamp::UNIX_EPOCH);
            // One that was ended is gone once its task has seen it.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert_eq!(clock.calls.len(), running, "{overlap:?}");
            let counts = clock.tally.read();
            assert_eq!(
                [counts.calls, counts.failed, counts.dropped],
                counted,
                "{overlap:?}"
            );
        }
    }
}
