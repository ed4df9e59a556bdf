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
    seen: Option<Stamps>,
}

impl Watch {
    /// Does nothing unless `on`.
    pub(crate) fn new(on: bool) -> Self {
        Self {
            seen: on.then(Stamps::new),
        }
    }

    /// Watches these files, and no others, from now on.
    pub(crate) fn seen(&mut self, files: impl Iterator<Item = PathBuf>) {
        if let Some(seen) = &mut self.seen {
            *seen = stamps(files);
        }
    }

    /// Waits until a file changed and has settled. `manifests` lists those of the files that come and go.
    pub(crate) async fn changed<E>(&mut self, manifests: impl Fn() -> Result<Vec<PathBuf>, E>) {
        let Some(seen) = &mut self.seen else {
            return std::future::pending().await;
        };
        let look = |known: &Stamps| stamps(known.keys().cloned().chain(manifests().into_iter().flatten()));
        let mut before = seen.clone();
        loop {
            tokio::time::sleep(INTERVAL).await;
            let now = look(&before);
            if now == before && now != *seen {
                *seen = now;
                return;
            }
            before = now;
        }
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
fn stamp(path: &Path) -> Option<Stamp> {
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
    use futures::FutureExt;

    fn none() -> Result<Vec<PathBuf>, ()> {
        Ok(Vec::new())
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_told_once_it_has_settled() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.wasm");
        std::fs::write(&file, "1").unwrap();
        let mut watch = Watch::new(true);
        watch.seen([file.clone()].into_iter());
        {
            let mut change = Box::pin(watch.changed(none));
            tokio::time::advance(INTERVAL * 3).await;
            assert!(change.as_mut().now_or_never().is_none(), "nothing changed");
            std::fs::write(&file, "22").unwrap();
            change.await;
        }
        std::fs::remove_file(&file).unwrap();
        watch.changed(none).await;
        std::fs::write(&file, "333").unwrap();
        watch.changed(none).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_manifest_that_comes_into_a_folder_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(true);
        watch.seen(std::iter::empty());
        let file = folder.path().join("new.yaml");
        std::fs::write(&file, "").unwrap();
        watch.changed(|| Ok::<_, ()>(vec![file.clone()])).await;
    }

    #[tokio::test(start_paused = true)]
    async fn without_watch_nothing_ever_changes() {
        let mut watch = Watch::new(false);
        watch.seen(std::iter::once(PathBuf::from("/")));
        assert!(
            tokio::time::timeout(INTERVAL * 100, watch.changed(none))
                .await
                .is_err()
        );
    }
}
