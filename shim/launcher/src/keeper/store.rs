//! What is kept for daemons from one to the next: descriptors under names, and how processes have ended. What these are is the
//! daemons' business; how they get them, `daemon`'s.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use shoal_channel::store::{Exited, MAX_KEPT_FDS, MAX_NAME, Ready, ToKeeper, Version};

/// How many ends of processes are remembered that no daemon has taken note of.
const MAX_EXITS: usize = 4096;
/// A descriptor limit is reached before this; it only bounds the table.
const MAX_NAMES: usize = 65_536;

/// See above.
#[derive(Debug, Default)]
pub(crate) struct Store {
    kept: BTreeMap<String, Vec<OwnedFd>>,
    exits: VecDeque<Exited>,
}

/// Why something was not kept.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{count} descriptors under the name {name:?}, 1 to {MAX_KEPT_FDS} can be kept")]
    Descriptors { name: String, count: usize },
    #[error("a name of {length} bytes, 1 to {MAX_NAME} can be kept")]
    Name { length: usize },
    #[error("more than {MAX_NAMES} names")]
    Names,
}

impl Store {
    /// Does what a daemon asks. Descriptors that are not kept are closed.
    pub(crate) fn apply(&mut self, message: ToKeeper, fds: Vec<OwnedFd>) -> Result<(), Refused> {
        match message {
            ToKeeper::Put(name) => {
                if name.is_empty() || name.len() > MAX_NAME {
                    return Err(Refused::Name { length: name.len() });
                }
                if fds.is_empty() || fds.len() > MAX_KEPT_FDS {
                    return Err(Refused::Descriptors {
                        name,
                        count: fds.len(),
                    });
                }
                if self.kept.len() >= MAX_NAMES && !self.kept.contains_key(&name) {
                    return Err(Refused::Names);
                }
                self.kept.insert(name, fds);
            }
            ToKeeper::Drop(name) => drop(self.kept.remove(&name)),
            // It is for the log.
            ToKeeper::Hello(_) => {}
            ToKeeper::Seen(pid) => self.exits.retain(|exited| exited.pid != pid),
        }
        Ok(())
    }

    /// A process has ended. An older one of the same number is forgotten: the number was given away again.
    pub(crate) fn exited(&mut self, exited: Exited) {
        self.exits.retain(|known| known.pid != exited.pid);
        if self.exits.len() >= MAX_EXITS {
            self.exits.pop_front();
        }
        self.exits.push_back(exited);
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.kept.keys()
    }

    /// What is kept under `name`.
    pub(crate) fn get(&self, name: &str) -> Option<Vec<BorrowedFd<'_>>> {
        self.kept
            .get(name)
            .map(|fds| fds.iter().map(AsFd::as_fd).collect())
    }

    /// What a new daemon is told at the end.
    pub(crate) fn ready(&self) -> Ready {
        Ready {
            orphans: self.exits.iter().copied().collect(),
            version: Version::ours(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fds(count: usize) -> Vec<OwnedFd> {
        (0..count)
            .map(|_| std::fs::File::open("/dev/null").expect("a file").into())
            .collect()
    }

    #[test]
    fn a_name_holds_what_was_put_last() {
        let mut store = Store::default();
        store.apply(ToKeeper::Put("a".into()), fds(1)).expect("kept");
        store.apply(ToKeeper::Put("b".into()), fds(4)).expect("kept");
        store.apply(ToKeeper::Put("a".into()), fds(2)).expect("kept");
        assert_eq!(store.get("a").map(|fds| fds.len()), Some(2));
        store
            .apply(ToKeeper::Drop("a".into()), Vec::new())
            .expect("dropped");
        store
            .apply(ToKeeper::Drop("never".into()), Vec::new())
            .expect("nothing to drop");
        assert!(store.get("a").is_none());
        assert_eq!(store.names().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn what_cannot_be_kept_changes_nothing() {
        let mut store = Store::default();
        store.apply(ToKeeper::Put("a".into()), fds(1)).expect("kept");
        for count in [0, 5] {
            let refused = store.apply(ToKeeper::Put("a".into()), fds(count));
            assert_eq!(
                refused,
                Err(Refused::Descriptors {
                    name: "a".into(),
                    count
                })
            );
        }
        let length = MAX_NAME + 1;
        let refused = store.apply(ToKeeper::Put("x".repeat(length)), fds(1));
        assert_eq!(refused, Err(Refused::Name { length }));
        assert_eq!(
            store.apply(ToKeeper::Put(String::new()), fds(1)),
            Err(Refused::Name { length: 0 })
        );
        assert_eq!(store.get("a").map(|fds| fds.len()), Some(1));
    }

    #[test]
    fn ends_are_told_until_they_were_seen() {
        let mut store = Store::default();
        let exited = |pid, status| Exited { pid, status };
        store.exited(exited(1, 0));
        store.exited(exited(2, 9));
        store.exited(exited(1, 256));
        assert_eq!(store.ready().orphans, [exited(2, 9), exited(1, 256)]);
        store.apply(ToKeeper::Seen(2), Vec::new()).expect("seen");
        assert_eq!(store.ready().orphans, [exited(1, 256)]);
        for pid in 10..10_000 {
            store.exited(exited(pid, 0));
        }
        let orphans = store.ready().orphans;
        assert_eq!(
            (orphans.len(), orphans.last().map(|last| last.pid)),
            (MAX_EXITS, Some(9_999))
        );
    }
}
