//! Which connections are closed, and when, by a clock that is set by hand.

use super::*;
use futures::FutureExt;
use std::collections::BTreeSet;

const TIMEOUT: Duration = Duration::from_micros(640);

struct Clocked {
    clock: Arc<AtomicU64>,
    table: Table<u32>,
    connections: Vec<Arc<Connection>>,
}

impl Clocked {
    /// Connections that were accepted one microsecond after another.
    fn with(connections: u32) -> Self {
        let clock = Arc::<AtomicU64>::default();
        let read = Arc::clone(&clock);
        let mut it = Self {
            clock,
            table: Table::with_clock(move || read.load(Ordering::Relaxed)),
            connections: Vec::new(),
        };
        for key in 0..connections {
            let connection = it.table.connection(Peer::new([127, 0, 0, 1].into()));
            it.table.insert(key, Arc::clone(&connection));
            it.connections.push(connection);
            it.pass(1);
        }
        it
    }

    fn pass(&self, micros: u64) {
        self.clock.fetch_add(micros, Ordering::Relaxed);
    }

    /// Connections that have a note, which they take.
    fn told(&self, note: Note) -> BTreeSet<usize> {
        let told = |it: &Arc<Connection>| it.told().now_or_never() == Some(note);
        (0..self.connections.len())
            .filter(|it| told(&self.connections[*it]))
            .collect()
    }
}

#[test]
fn a_connection_is_late_once_the_timeout_has_passed_since_its_last_request() {
    let it = Clocked::with(3);
    let request = it.connections[1].request(false);
    it.pass(630);
    assert_eq!(it.table.close_late(TIMEOUT), Some(TIMEOUT / 64));
    drop(it.connections[2].request(true));
    it.pass(10);
    it.table.close_late(TIMEOUT);
    assert_eq!(it.told(Note::Late), [0].into());
    drop(request);
    it.pass(629);
    it.table.close_late(TIMEOUT);
    // The third's last request ended at 633, the second's at 643.
    assert_eq!(it.told(Note::Late), [0].into());
    it.pass(1);
    it.table.close_late(TIMEOUT);
    assert_eq!(it.told(Note::Late), [0, 2].into());
    it.pass(10);
    it.table.close_late(TIMEOUT);
    assert_eq!(it.told(Note::Late), [0, 1, 2].into());
}

#[test]
fn a_table_without_connections_is_not_looked_at() {
    let mut it = Clocked::with(1);
    assert!(it.table.close_late(TIMEOUT).is_some());
    it.table.remove(0);
    assert_eq!(it.table.close_late(TIMEOUT), None);
}

#[test]
fn the_longest_idle_go_first_and_those_with_requests_stay() {
    let mut it = Clocked::with(1000);
    let _busy: Vec<_> = (0..10).map(|key| it.connections[key].request(false)).collect();
    // As long as they are in the batch that was found to go first.
    drop(it.connections[12].request(false));
    let mut went = Vec::new();
    for _ in 0..100 {
        assert!(it.table.make_room());
        let told: Vec<_> = it.told(Note::GiveWay).into_iter().collect();
        assert_eq!(told.len(), 1);
        it.table.remove(u32::try_from(told[0]).expect("a small number"));
        went.extend(told);
        // One that comes and goes is not the longest idle any more.
        drop(it.connections[50].request(false));
        it.pass(1);
    }
    let expected: Vec<_> = (10..112).filter(|key| *key != 12 && *key != 50).collect();
    assert_eq!(went, expected);
}

#[test]
fn where_all_have_requests_nobody_goes_and_the_next_that_is_idle_is_said() {
    let mut it = Clocked::with(2);
    let requests: Vec<_> = it.connections.iter().map(|it| it.request(false)).collect();
    let shared = it.table.shared();
    it.table.set_full(true);
    assert!(!it.table.make_room());
    assert!(shared.idle().now_or_never().is_none());
    drop(requests);
    assert!(shared.idle().now_or_never().is_some());
    assert!(it.table.make_room());
}
