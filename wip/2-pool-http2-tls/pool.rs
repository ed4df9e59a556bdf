//! Connections that are kept for the next request, so that not each of them begins with a handshake. Each component has its own: nothing
//! of another is ever in them. Bounded in number and in time.

use super::connection::{Connection, Two};
use super::target::Target;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Connections that one component keeps.
pub(super) const MOST: usize = 32;

/// Connections to one server among them.
pub(super) const MOST_PER_SERVER: usize = 8;

/// Connections that all components of this process keep together: descriptors are the process's.
const MOST_IN_PROCESS: usize = 1024;

static IN_PROCESS: AtomicUsize = AtomicUsize::new(0);

/// How long a connection is kept without a request. Most servers close theirs after 60 s or more: then ours goes first, and no request
/// meets a closed one.
pub(super) const IDLE: Duration = Duration::from_secs(30);

/// What a request may be sent by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// HTTP/1.1.
    One,
    /// HTTP/2, and nothing else.
    Two,
    /// What the server chooses (ALPN).
    Either,
}

/// The connections of one component.
#[derive(Clone, Default)]
pub(crate) struct Pool(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    /// The oldest first.
    entries: Vec<Entry>,
    swept: bool,
}

struct Entry {
    server: Server,
    connection: Connection,
    since: Instant,
    _place: Place,
}

/// One of [`MOST_IN_PROCESS`].
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let more = |kept: usize| (kept < MOST_IN_PROCESS).then_some(kept + 1);
        let taken = IN_PROCESS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        IN_PROCESS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    tls: bool,
    host: String,
    port: u16,
}

impl From<&Target> for Server {
    fn from(target: &Target) -> Self {
        Self {
            tls: target.tls,
            host: target.host.trim_end_matches('.').to_ascii_lowercase(),
            port: target.port,
        }
    }
}

impl Wanted {
    fn admits(self, connection: &Connection) -> bool {
        match connection {
            Connection::One(_) => self != Self::Two,
            Connection::Two(_) => self != Self::One,
        }
    }
}

impl Pool {
    /// A connection that is kept. One of HTTP/1.1 is the caller's until it is put back; one of HTTP/2 stays for others too.
    pub(super) fn take(&self, server: &Server, wanted: Wanted) -> Option<Connection> {
        let mut kept = self.lock();
        kept.entries.retain(|entry| !entry.connection.is_closed());
        let fits = |entry: &Entry| {
            entry.server == *server
                && wanted.admits(&entry.connection)
                && match &entry.connection {
                    Connection::One(_) => true,
                    Connection::Two(two) => two.has_room(),
                }
        };
        // The one that was used last is the one that the server is least likely to have closed.
        let at = kept.entries.iter().rposition(fits)?;
        let mut entry = kept.entries.remove(at);
        let shared = match &entry.connection {
            Connection::One(_) => return Some(entry.connection),
            Connection::Two(two) => two.clone(),
        };
        entry.since = Instant::now();
        kept.entries.push(entry);
        Some(Connection::Two(shared))
    }

    /// Keeps a connection. The ones that were used longest ago go where there are too many.
    pub(super) fn put(&self, server: &Server, connection: Connection) {
        let mut kept = self.lock();
        let same = |entry: &Entry| entry.server == *server;
        if kept.entries.iter().filter(|entry| same(entry)).count() >= MOST_PER_SERVER
            && let Some(at) = kept.entries.iter().position(same)
        {
            kept.entries.remove(at);
        } else if kept.entries.len() >= MOST {
            kept.entries.remove(0);
        }
        let Some(place) = Place::take() else { return };
        kept.entries.push(Entry {
            server: server.clone(),
            connection,
            since: Instant::now(),
            _place: place,
        });
        if !kept.swept {
            kept.swept = true;
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
    }

    /// Forgets a connection of HTTP/2 on which something went wrong. Those who use it go on.
    pub(super) fn forget(&self, two: &Two) {
        let other = |entry: &Entry| !matches!(&entry.connection, Connection::Two(it) if it.is_same(two));
        self.lock().entries.retain(other);
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Closes what was not used for too long. Whether anything is left.
    fn sweep(&mut self, now: Instant) -> bool {
        self.entries.retain(|entry| {
            let used = matches!(&entry.connection, Connection::Two(two) if two.is_used());
            !entry.connection.is_closed() && (used || now.duration_since(entry.since) < IDLE)
        });
        self.swept = !self.entries.is_empty();
        self.swept
    }
}

/// Looks after a pool for as long as there is something in it.
async fn sweep(pool: Weak<Mutex<Kept>>) {
    loop {
        sleep(IDLE / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut kept = pool.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.sweep(Instant::now()) {
            return;
        }
    }
}
