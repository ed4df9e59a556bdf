//! What this process uses of the cache, so that nobody removes it. A process has a folder in `leases/` with a hard link to each file
//! that it uses: a file with a second link is in use. A folder whose process has died is swept like one in `tmp/`. The links of workers
//! on a node count in the same way.

use std::collections::HashMap;
use std::fs::{self, FileTimes, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::ArtifactError;
use crate::error::IoContext;
use crate::room::Room;
use crate::staging::Folder;

/// Keeps a file in the cache for as long as it, or a clone, lives. The default keeps nothing.
#[derive(Clone, Default)]
pub struct Pin {
    _held: Option<Arc<Held>>,
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self._held.is_some() { "Pin" } else { "Pin(none)" })
    }
}

/// What is pinned makes no difference between two values.
impl PartialEq for Pin {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Pin {}

struct Held {
    pins: Arc<Pins>,
    path: PathBuf,
}

/// The files that this process uses.
pub(crate) struct Pins {
    leases: PathBuf,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    lease: Option<Folder>,
    counts: HashMap<PathBuf, usize>,
}

impl Pins {
    pub(crate) fn new(leases: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            leases,
            table: Mutex::default(),
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pins the file at `path`, which is used now; none where it is not there. Blocking.
    pub(crate) fn pin(self: &Arc<Self>, room: &Room, path: &Path) -> Result<Option<Pin>, ArtifactError> {
        // Nobody removes files meanwhile.
        let _tally = room.lock()?;
        let pin = self.hold(path, path)?;
        if pin.is_some() {
            touch(path);
        }
        Ok(pin)
    }

    /// Pins what will be at `path` and lies at `source` now. Blocking.
    pub(crate) fn hold(self: &Arc<Self>, source: &Path, path: &Path) -> Result<Option<Pin>, ArtifactError> {
        let mut table = self.table();
        if source != path || !table.counts.contains_key(path) {
            let lease = match table.lease.take() {
                Some(lease) => lease,
                None => Folder::new(&self.leases)?,
            };
            let link = lease.path(&name(path));
            table.lease = Some(lease);
            // Of a file that is being replaced.
            let _ = fs::remove_file(&link);
            match fs::hard_link(source, &link) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error).io("link", link),
            }
        }
        *table.counts.entry(path.to_owned()).or_default() += 1;
        Ok(Some(Pin {
            _held: Some(Arc::new(Held {
                pins: Arc::clone(self),
                path: path.to_owned(),
            })),
        }))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut table = self.pins.table();
        let last = match table.counts.get_mut(&self.path) {
            Some(count) if *count > 1 => {
                *count -= 1;
                false
            }
            _ => true,
        };
        if last {
            table.counts.remove(&self.path);
            // It was in use until now.
            touch(&self.path);
            if let Some(lease) = &table.lease {
                let _ = fs::remove_file(lease.path(&name(&self.path)));
            }
        }
    }
}

/// A link's name: of the file and of the folder that it lies in, which says for which engine it is.
fn name(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let file = path.file_name().unwrap_or_default();
    format!("{}.{}", folder.to_string_lossy(), file.to_string_lossy())
}

/// Says that a file is used now. Access times are not to be relied on: many file systems are mounted without them.
pub(crate) fn touch(path: &Path) {
    let now = FileTimes::new().set_modified(SystemTime::now());
    let touched = OpenOptions::new().read(true).open(path);
    // A time that is not written costs a file its place in the order, no more.
    let _ = touched.and_then(|file| file.set_times(now));
}
