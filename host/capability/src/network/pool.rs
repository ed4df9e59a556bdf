//! Connections that are kept for the next request, so that not each request begins with a handshake. Each component has a pool of its own.
//! Pools are bounded in number and in time (decision 0110).

use super::connection::Connection;
use super::protocol::Protocol;
use super::target::Target;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Connections that a component keeps.
const MAX_KEPT: usize = 32;

/// Connections to one origin among them.
const MAX_PER_ORIGIN: usize = 8;

/// Connections that all components of this process keep: descriptors are the process's.
const MAX_IN_PROCESS: usize = 1024;

static IN_PROCESS: AtomicUsize = AtomicUsize::new(0);

/// How long a connection is kept without a request. Most servers close idle connections after 60 s or more. Ours goes first, so that no
/// request is sent over one that is just being closed.
const IDLE: Duration = Duration::from_secs(30);

/// The connections that one component keeps.
#[derive(Clone, Default)]
pub(crate) struct Pool(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    /// The one that was used longest ago comes first.
    entries: Vec<Entry>,
    /// A task closes idle connections.
    swept: bool,
}

struct Entry {
    origin: Origin,
    connection: Connection,
    since: Instant,
    _place: Place,
}

/// Where a connection leads (RFC 9110, 4.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    tls: bool,
    host: String,
    port: u16,
}

impl From<&Target> for Origin {
    fn from(target: &Target) -> Self {
        Self {
            tls: target.tls,
            host: target.host.to_ascii_lowercase(),
            port: target.port,
        }
    }
}

/// One of [`MAX_IN_PROCESS`].
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let more = |kept: usize| (kept < MAX_IN_PROCESS).then_some(kept + 1);
        let taken = IN_PROCESS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        IN_PROCESS.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    /// A connection for one request. One of HTTP/1.1 is taken out; one of HTTP/2 stays for other requests.
    pub(super) fn take(&self, origin: &Origin, protocol: Protocol) -> Option<Connection> {
        let now = Instant::now();
        let mut kept = self.lock();
        kept.prune(now);
        let fits = |entry: &Entry| entry.origin == *origin && entry.connection.has_room(protocol);
        // The one that was used last is the one that its server is least likely to close.
        let at = kept.entries.iter().rposition(fits)?;
        let mut entry = kept.entries.remove(at);
        let Some(shared) = entry.connection.share() else {
            return Some(entry.connection);
        };
        entry.since = now;
        kept.entries.push(entry);
        Some(shared)
    }

    /// Keeps a connection. Where there are too many, it takes the place of the one that was used longest ago.
    pub(super) fn put(&self, origin: Origin, connection: Connection) {
        let now = Instant::now();
        if connection.is_over(now) {
            return;
        }
        let mut kept = self.lock();
        kept.make_room(&origin);
        let Some(place) = Place::take() else { return };
        kept.entries.push(Entry {
            origin,
            connection,
            since: now,
            _place: place,
        });
        if !kept.swept {
            kept.swept = true;
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Closes what is of no use any more.
    fn prune(&mut self, now: Instant) {
        self.entries.retain(|entry| {
            let idle = now.duration_since(entry.since) >= IDLE && !entry.connection.is_used();
            !entry.connection.is_over(now) && !idle
        });
    }

    fn make_room(&mut self, origin: &Origin) {
        let same = |entry: &Entry| entry.origin == *origin;
        if self.entries.iter().filter(|entry| same(entry)).count() >= MAX_PER_ORIGIN
            && let Some(at) = self.entries.iter().position(same)
        {
            self.entries.remove(at);
        } else if self.entries.len() >= MAX_KEPT {
            self.entries.remove(0);
        }
    }
}

/// Closes idle connections for as long as there are any.
async fn sweep(pool: Weak<Mutex<Kept>>) {
    loop {
        sleep(IDLE / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut kept = pool.lock().unwrap_or_else(PoisonError::into_inner);
        kept.prune(Instant::now());
        if kept.entries.is_empty() {
            kept.swept = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests;
