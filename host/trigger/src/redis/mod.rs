//! The Redis trigger: messages of channels, which are lost where nobody can take them, and entries of streams, which are not.
//!
//! ```text
//! channels ── subscriber ── queue with an end ──┐
//! streams ── reader, as a consumer of a group ──┼── places ──> handler ── ok: XACK
//!            pending entries, now and then ─────┘                     └─ error: again later, in the end to the dead letters
//! ```

mod channels;
mod claim;
mod entry;
mod pattern;
mod settle;
mod streams;

pub use pattern::{PatternError, check};

use crate::event::{Counters, Handler, Tally};
use shoal_redis::Client;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What to listen to.
pub struct Options {
    /// The server.
    pub client: Arc<Client>,
    /// For logs: the service and the trigger.
    pub service: String,
    /// The trigger's name.
    pub name: String,
    /// Channels.
    pub channels: Vec<String>,
    /// Patterns of channels.
    pub patterns: Vec<String>,
    /// Streams.
    pub streams: Vec<Stream>,
    /// Messages of channels that may wait.
    pub queue: usize,
}

/// A stream that is read as a consumer group.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Its key.
    pub key: String,
    /// The group.
    pub group: String,
    /// How often an entry is tried.
    pub max_attempts: u32,
    /// How long an entry rests after a failure.
    pub retry_after: Duration,
    /// After how long without a word an entry of another consumer is taken over: longer than a call may take.
    pub abandoned_after: Duration,
    /// Where entries go that failed too often.
    pub dead_letter: String,
}

/// A trigger that listens until it is shut down or dropped.
pub struct Running {
    shared: Arc<Shared>,
    listening: Vec<JoinHandle<()>>,
}

/// What the parts of a trigger share.
struct Shared {
    options: Options,
    handler: Arc<dyn Handler>,
    places: Arc<Semaphore>,
    tally: Tally,
    stop: CancellationToken,
    /// Calls that are under way.
    calls: TaskTracker,
    /// Ends them.
    cut: CancellationToken,
}

/// The longest pause between two attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Begins to listen. A server that can't be reached is tried again and again.
pub fn start(options: Options, handler: Arc<dyn Handler>) -> Running {
    let places = Arc::new(Semaphore::new(handler.places().max(1)));
    let shared = Arc::new(Shared {
        tally: Tally::new(&options.name),
        options,
        handler,
        places,
        stop: CancellationToken::new(),
        calls: TaskTracker::new(),
        cut: CancellationToken::new(),
    });
    let mut listening = Vec::new();
    if !shared.options.channels.is_empty() || !shared.options.patterns.is_empty() {
        listening.push(tokio::spawn(channels::listen(Arc::clone(&shared))));
    }
    for stream in shared.options.streams.clone() {
        listening.push(tokio::spawn(streams::read(Arc::clone(&shared), stream)));
    }
    Running { shared, listening }
}

impl Running {
    /// What it counts.
    pub fn tally(&self) -> &Tally {
        &self.shared.tally
    }

    /// Begins with nothing new from now on.
    pub fn stop(&self) {
        self.shared.stop.cancel();
    }

    /// Stops listening, lets calls finish for as long as `grace`, then ends them. An entry whose call was ended stays pending.
    ///
    /// Returns whether all of them finished.
    pub async fn shutdown(mut self, grace: Duration) -> bool {
        self.stop();
        let done = tokio::time::timeout(grace, async {
            for listening in &mut self.listening {
                drop(listening.await);
            }
            self.shared.finished().await;
        });
        done.await.is_ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.shared.cut.cancel();
        self.listening.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    fn counters(&self) -> &Counters {
        self.tally.counters()
    }

    /// Does `call` beside, unless everything is ended first.
    fn spawn(self: &Arc<Self>, call: impl Future<Output = ()> + Send + 'static) {
        let cut = self.cut.clone();
        self.calls.spawn(async move {
            tokio::select! {
                () = call => {}
                () = cut.cancelled() => {}
            }
        });
    }

    /// A pause before the next attempt, cut short by the end.
    async fn pause(&self, attempt: u32) {
        let pause = shoal_redis::backoff(attempt, LONGEST_PAUSE, rand::random());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Until no call is under way. Nothing new may be begun with.
    async fn finished(&self) {
        self.calls.close();
        self.calls.wait().await;
    }

    /// Says that the server answers again, after `attempt` times that it did not.
    fn back(&self, attempt: u32) {
        let Options { service, name, .. } = &self.options;
        if attempt > 0 {
            tracing::warn!(service, trigger = name, "Redis is back");
        }
    }

    fn lost(&self, attempt: u32, error: &dyn std::fmt::Display) {
        let Options { service, name, .. } = &self.options;
        if attempt == 0 {
            crate::event::count(&self.counters().disconnected);
            tracing::warn!(service, trigger = name, "{error}; trying again until it is back");
        }
    }
}
