//! The open connections of a server: which of them have no request in flight, for how long, and which is closed for another. Pure but
//! for the notes that it leaves for a connection's task, which are carried out in `server`.

use super::Peer;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A full table looks at all connections once for this part of them, so that each that is closed for another costs little.
const BATCH: usize = 64;

/// What a connection's task is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// Finish what is in flight, and end.
    Stop = 1,
    /// End, unless a request is in flight again: nothing came in time.
    Late = 2,
    /// The same: another connection needs the place.
    GiveWay = 4,
}

/// What a server's connections share.
pub(super) struct Shared {
    /// Microseconds since some time.
    now: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Whether somebody waits for a connection to have no request in flight.
    full: AtomicBool,
    idle: Notify,
}

/// One connection, as its own task and the server see it.
pub(super) struct Connection {
    shared: Arc<Shared>,
    peer: Peer,
    in_flight: AtomicU32,
    /// Microseconds from the server's start until the last request ended, or the connection was accepted.
    idle_since: AtomicU64,
    http2: AtomicBool,
    /// Bytes that the client's socket took.
    written: AtomicU64,
    /// Our end was sent, and the client may still send.
    lingering: AtomicBool,
    notes: AtomicU8,
    told: Notify,
}

/// A request of a connection, until its answer was handed over.
pub(super) struct InFlight(Arc<Connection>);

impl Connection {
    /// Who is at its other end.
    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// A request came.
    pub(super) fn request(self: &Arc<Self>, http2: bool) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        if http2 && !self.http2.load(Ordering::Relaxed) {
            self.http2.store(true, Ordering::Relaxed);
        }
        InFlight(Arc::clone(self))
    }

    /// Whether no request is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0
    }

    /// Whether it has had a request of HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }

    pub(super) fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// From now on only what still comes is dropped.
    pub(super) fn lingers(&self) {
        self.lingering.store(true, Ordering::Relaxed);
    }

    /// Whether it waits for its client's end alone.
    pub(super) fn is_lingering(&self) -> bool {
        self.lingering.load(Ordering::Relaxed)
    }

    /// The next note.
    pub(super) async fn told(&self) -> Note {
        loop {
            for note in [Note::Stop, Note::GiveWay, Note::Late] {
                if self.notes.fetch_and(!(note as u8), Ordering::AcqRel) & note as u8 != 0 {
                    return note;
                }
            }
            self.told.notified().await;
        }
    }

    /// It does not give way, since a request came meanwhile.
    pub(super) fn stays(&self) {
        self.shared.idle.notify_one();
    }

    fn tell(&self, note: Note) {
        self.notes.fetch_or(note as u8, Ordering::AcqRel);
        self.told.notify_one();
    }

    fn idle_since(&self) -> Option<Duration> {
        self.is_idle()
            .then(|| Duration::from_micros(self.idle_since.load(Ordering::Relaxed)))
    }
}

impl InFlight {
    /// The connection that it came on.
    pub(super) fn connection(&self) -> &Connection {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let connection = &self.0;
        connection
            .idle_since
            .store((connection.shared.now)(), Ordering::Relaxed);
        if connection.in_flight.fetch_sub(1, Ordering::Relaxed) == 1
            && connection.shared.full.load(Ordering::Relaxed)
        {
            connection.shared.idle.notify_one();
        }
    }
}

impl Shared {
    /// Waits until a connection may have no request in flight any more.
    pub(super) async fn idle(&self) {
        self.idle.notified().await;
    }
}

/// The open connections, by `K`.
pub(super) struct Table<K> {
    shared: Arc<Shared>,
    open: HashMap<K, Arc<Connection>>,
    /// Those that are closed next for others, the last one first, with the time since when they are idle.
    next_to_go: Vec<(Duration, K)>,
}

impl<K: Copy + Eq + Hash> Table<K> {
    pub(super) fn new() -> Self {
        let start = Instant::now();
        Self::with_clock(move || u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// A table whose clock counts microseconds.
    fn with_clock(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        let shared = Shared {
            now: Box::new(now),
            full: AtomicBool::new(false),
            idle: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
            open: HashMap::new(),
            next_to_go: Vec::new(),
        }
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// A connection that was accepted now. It is to be put in.
    pub(super) fn connection(&self, peer: Peer) -> Arc<Connection> {
        Arc::new(Connection {
            shared: Arc::clone(&self.shared),
            peer,
            in_flight: AtomicU32::new(0),
            idle_since: AtomicU64::new((self.shared.now)()),
            http2: AtomicBool::new(false),
            written: AtomicU64::new(0),
            lingering: AtomicBool::new(false),
            notes: AtomicU8::new(0),
            told: Notify::new(),
        })
    }

    pub(super) fn insert(&mut self, key: K, connection: Arc<Connection>) {
        self.open.insert(key, connection);
    }

    pub(super) fn remove(&mut self, key: K) {
        self.open.remove(&key);
    }

    /// Whether somebody waits for a place.
    pub(super) fn set_full(&self, full: bool) {
        self.shared.full.store(full, Ordering::Relaxed);
    }

    pub(super) fn stop(&self) {
        for connection in self.open.values() {
            connection.tell(Note::Stop);
        }
    }

    /// Closes the connection that has had no request in flight for longest; false where each has one.
    pub(super) fn make_room(&mut self) -> bool {
        let longest = self.take_next().or_else(|| {
            self.find_next();
            self.take_next()
        });
        if let Some(connection) = &longest {
            connection.tell(Note::GiveWay);
        }
        longest.is_some()
    }

    /// The next to be closed that is still here and has had no request meanwhile.
    fn take_next(&mut self) -> Option<Arc<Connection>> {
        loop {
            let (since, key) = self.next_to_go.pop()?;
            let connection = self.open.get(&key);
            if let Some(connection) = connection.filter(|it| it.idle_since() == Some(since)) {
                return Some(Arc::clone(connection));
            }
        }
    }

    fn find_next(&mut self) {
        let idle = self
            .open
            .iter()
            .filter_map(|(key, connection)| Some((connection.idle_since()?, *key)));
        self.next_to_go = idle.collect();
        let some = self.open.len().div_ceil(BATCH);
        if self.next_to_go.len() > some {
            self.next_to_go
                .select_nth_unstable_by_key(some, |(since, _)| *since);
            self.next_to_go.truncate(some);
        }
        self.next_to_go
            .sort_unstable_by_key(|(since, _)| std::cmp::Reverse(*since));
    }

    /// Closes what has had no request in flight for `timeout`. In how long to look again; none where there are no connections.
    pub(super) fn close_late(&self, timeout: Duration) -> Option<Duration> {
        let now = Duration::from_micros((self.shared.now)());
        let mut next = timeout;
        for connection in self.open.values() {
            let Some(since) = connection.idle_since() else {
                continue;
            };
            match (since + timeout).checked_sub(now) {
                None | Some(Duration::ZERO) => connection.tell(Note::Late),
                Some(left) => next = next.min(left),
            }
        }
        // Not for each of ten thousand on its own.
        (!self.open.is_empty()).then(|| next.max(timeout / 64))
    }
}

#[cfg(test)]
mod tests;
