//! Which files changed. They are looked at a few times a second: that costs nothing for a handful of files, and works on network
//! file systems and mounts of a virtual machine too, where inotify sees no changes made on the other side.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often files are looked at. A change counts once nothing changed for as long, since compilers write in several steps.
const INTERVAL: Duration = Duration::from_millis(200);

/// What a file was when it was last looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// Files, and what they were.
pub(crate) type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// Files, and what they were when they were last read.
pub(crate) struct Watch {
    settling: Option<Settling>,
}

impl Watch {
    /// Does nothing unless `on`.
    pub(crate) fn new(on: bool) -> Self {
        Self {
            settling: on.then(Settling::default),
        }
    }

    /// Watches these files, and no others, from now on.
    pub(crate) fn seen(&mut self, files: impl Iterator<Item = PathBuf>) {
        if let Some(settling) = &mut self.settling {
            *settling = Settling::at(stamps(files));
        }
    }

    /// Waits until a file changed and has settled. `manifests` lists those of the files that come and go.
    pub(crate) async fn changed<E>(&mut self, manifests: impl Fn() -> Result<Vec<PathBuf>, E>) {
        let Some(settling) = &mut self.settling else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(INTERVAL).await;
            let known = settling.before.keys().cloned();
            if settling.settled(stamps(known.chain(manifests().into_iter().flatten()))) {
                return;
            }
        }
    }
}

/// A change counts once two looks in a row see the same.
#[derive(Default)]
struct Settling {
    seen: Stamps,
    before: Stamps,
}

impl Settling {
    fn at(seen: Stamps) -> Self {
        Self {
            before: seen.clone(),
            seen,
        }
    }

    fn settled(&mut self, now: Stamps) -> bool {
        let settled = now == self.before && now != self.seen;
        if settled {
            self.seen.clone_from(&now);
        }
        self.before = now;
        settled
    }
}

/// Looks at files.
pub(crate) fn stamps(files: impl Iterator<Item = PathBuf>) -> Stamps {
    files
        .filter(|it| it != Path::new("-"))
        .map(|path| (path.clone(), stamp(&path)))
        .collect()
}

/// None where there is no such file. A folder is an OCI layout, whose index changes with each push.
pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    let of = |it: Metadata| Stamp {
        inode: it.ino(),
        size: it.size(),
        changed: (it.mtime(), it.mtime_nsec()),
    };
    let metadata = path.metadata().ok()?;
    if metadata.is_dir() {
        path.join("index.json").metadata().ok().map(of)
    } else {
        Some(of(metadata))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_and_not_before_it_has_settled() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.wasm");
        let look = || stamps([file.clone(), PathBuf::from("-")].into_iter());
        std::fs::write(&file, "1").unwrap();
        let mut settling = Settling::at(look());
        assert!(!settling.settled(look()), "nothing changed");
        std::fs::write(&file, "22").unwrap();
        assert!(!settling.settled(look()), "it may go on changing");
        std::fs::write(&file, "333").unwrap();
        assert!(!settling.settled(look()), "it went on");
        assert!(settling.settled(look()));
        assert!(!settling.settled(look()), "it was told already");
        std::fs::remove_file(&file).unwrap();
        assert!(!settling.settled(look()));
        assert!(settling.settled(look()), "that it is gone is a change");
    }

    #[test]
    fn a_write_and_back_is_no_change_but_a_new_file_is() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new.yaml");
        let mut settling = Settling::at(Stamps::new());
        std::fs::write(&new, "").unwrap();
        assert!(!settling.settled(stamps([new.clone()].into_iter())));
        assert!(!settling.settled(Stamps::new()));
        assert!(!settling.settled(Stamps::new()));
        assert!(!settling.settled(stamps([new.clone()].into_iter())));
        assert!(settling.settled(stamps([new].into_iter())));
    }

    #[test]
    fn a_layout_changes_with_its_index() {
        let folder = tempfile::tempdir().unwrap();
        let look = || stamps([folder.path().to_owned()].into_iter());
        let before = look();
        std::fs::write(folder.path().join("index.json"), "{}").unwrap();
        let after = look();
        assert_ne!(before, after);
        std::fs::write(folder.path().join("other"), "").unwrap();
        assert_eq!(after, look());
    }
}
