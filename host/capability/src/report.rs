//! In the log of the host: what was refused to a component, what failed outside of it, and what it asked for that it was not granted. A
//! guest can bring about one with every call, so only so many are written.

use crate::{LogSink, RequestId};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Refusals and failures of one component that are written in a [`WINDOW`].
const MOST: u32 = 10;
const WINDOW: Duration = Duration::from_secs(1);

/// Writes the refusals and failures of one component.
pub(crate) struct Report {
    service: String,
    component: String,
    window: Mutex<Window>,
    asked: [AtomicBool; 2],
    /// The component's own log, for those who have no other.
    log: Option<Arc<dyn LogSink>>,
}

/// What every component may ask for, and gets nothing of that was not granted.
#[derive(Clone, Copy)]
pub(crate) enum Ambient {
    Environment,
    Directories,
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Report({}/{})", self.service, self.component)
    }
}

#[derive(Default)]
struct Window {
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Report {
    /// `component` is `service/component`, or a component alone.
    pub(crate) fn new(component: &str) -> Self {
        let (service, component) = component.split_once('/').unwrap_or((component, component));
        Self {
            service: service.to_owned(),
            component: component.to_owned(),
            window: Mutex::default(),
            asked: Default::default(),
            log: None,
        }
    }

    /// Tells a component's own log too.
    pub(crate) fn with_log(mut self, log: Option<Arc<dyn LogSink>>) -> Self {
        self.log = log;
        self
    }

    /// A component that is linked into another asked for what it has none of. Language runtimes do so as a matter of course, so it is
    /// told once.
    pub(crate) fn asked(&self, request: RequestId, what: Ambient) {
        let (told, text) = match what {
            Ambient::Environment => (&self.asked[0], "asked for environment variables, and has none"),
            Ambient::Directories => (&self.asked[1], "asked for directories, and has none"),
        };
        if !told.swap(true, Ordering::Relaxed) {
            let (service, component) = (self.service.as_str(), self.component.as_str());
            tracing::warn!(service, component, %request, "{text} (a linked component inherits nothing)");
        }
    }

    /// `what` is the kind of thing that was refused or failed: `network`, `keyValue`.
    pub(crate) fn refused(&self, request: RequestId, what: &str, why: &dyn fmt::Display) {
        let turn = self
            .window
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .turn(Instant::now());
        let Some(left_out) = turn else { return };
        let (service, component) = (self.service.as_str(), self.component.as_str());
        if left_out > 0 {
            tracing::warn!(
                service,
                component,
                left_out,
                "{what}: lines like this were left out of this log"
            );
        }
        tracing::warn!(service, component, %request, "{what}: {why}");
        if let Some(log) = &self.log {
            log.note(&format!("{what}: {why}"));
        }
    }
}

impl Window {
    /// Whether one may be written now, and how many were left out before it.
    fn turn(&mut self, now: Instant) -> Option<u64> {
        if self
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= WINDOW)
        {
            self.since = Some(now);
            self.written = 0;
        }
        if self.written == MOST {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_cut_and_counted() {
        let mut window = Window::default();
        let start = Instant::now();
        assert!((0..10).all(|_| window.turn(start) == Some(0)));
        assert!((0..500).all(|_| window.turn(start + Duration::from_millis(999)).is_none()));
        assert_eq!(window.turn(start + WINDOW), Some(500));
        assert_eq!(window.turn(start + WINDOW), Some(0));
    }
}
