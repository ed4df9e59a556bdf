//! Which clusters there are on this machine: each claims a name and an index under a lock. What follows from these is in `layout`.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::component::write;
use crate::layout::{self, Layout, MAX_CLUSTERS};
use crate::network;

/// What is remembered of a cluster, in its folder.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) index: u8,
    /// How many nodes it has.
    pub(crate) nodes: u8,
    /// The folders of its programs.
    pub(crate) programs: Vec<PathBuf>,
    /// The folder of the shims.
    #[serde(default)]
    pub(crate) shims: Option<PathBuf>,
    /// How many pods kubelet takes.
    #[serde(default)]
    pub(crate) max_pods: Option<u16>,
    /// Kubelet's feature gate PodAndContainerStatsFromCRI.
    #[serde(default)]
    pub(crate) stats_from_cri: Option<bool>,
    /// The nodes have no shim of ours: somebody else is to put it there.
    #[serde(default)]
    pub(crate) bare: bool,
    /// Whether there is a metrics-server.
    #[serde(default)]
    pub(crate) metrics: Option<bool>,
}

/// A cluster that nobody else touches while this is held.
pub(crate) struct Claim {
    pub(crate) layout: Layout,
    pub(crate) record: Record,
    _lock: File,
}

const RECORD: &str = "cluster.json";

impl Claim {
    /// The cluster of this name; claims an index for it where there is none.
    pub(crate) fn take(name: &str) -> anyhow::Result<Self> {
        let root = layout::root();
        let folder = layout::folder(&root, name)?;
        let all = lock(&root, true)?;
        if read(&folder)?.is_none() {
            let used: Vec<u8> = list(&root)?.into_iter().map(|(_, record)| record.index).collect();
            let record = Record {
                index: free_index(name, &used)?,
                ..Record::default()
            };
            fs::create_dir_all(&folder)?;
            write(&folder.join(RECORD), &serde_json::to_string(&record)?)?;
        }
        drop(all);
        Self::find(name)?.with_context(|| format!("the cluster {name} was ended meanwhile"))
    }

    /// The cluster of this name, if there is one.
    pub(crate) fn find(name: &str) -> anyhow::Result<Option<Self>> {
        let folder = layout::folder(&layout::root(), name)?;
        if !folder.exists() {
            return Ok(None);
        }
        let lock = lock(&folder, false)?;
        let Some((layout, record)) = look(name)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            layout,
            record,
            _lock: lock,
        }))
    }

    /// Writes the record down.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        write(
            &self.layout.folder.join(RECORD),
            &serde_json::to_string(&self.record)?,
        )
    }

    /// Gives the name and the index up, and removes the folder. `last` is run under the lock of all, where no other cluster is left.
    pub(crate) fn release(self, last: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let root = layout::root();
        let _all = lock(&root, false)?;
        // The record goes last: what fails before can be tried again.
        let folder = &self.layout.folder;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            let removed = match entry.file_name() == RECORD {
                true => continue,
                false if entry.file_type()?.is_dir() => fs::remove_dir_all(&path),
                false => fs::remove_file(&path),
            };
            removed.with_context(|| format!("{} can't be removed", path.display()))?;
        }
        fs::remove_dir_all(folder)?;
        if list(&root)?.is_empty() {
            last()?;
            // Whatever else lies in it was not put there by this program.
            let _not_empty = fs::remove_dir(&root);
        }
        Ok(())
    }
}

/// The cluster of this name, without waiting for whoever works on it.
pub(crate) fn look(name: &str) -> anyhow::Result<Option<(Layout, Record)>> {
    let folder = layout::folder(&layout::root(), name)?;
    Ok(read(&folder)?.map(|record| {
        let layout = Layout {
            name: name.to_owned(),
            index: record.index,
            folder,
        };
        (layout, record)
    }))
}

fn list(root: &Path) -> anyhow::Result<Vec<(PathBuf, Record)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).with_context(|| format!("{} can't be read", root.display()))? {
        let folder = entry?.path();
        found.extend(read(&folder)?.map(|record| (folder, record)));
    }
    Ok(found)
}

fn read(folder: &Path) -> anyhow::Result<Option<Record>> {
    let path = folder.join(RECORD);
    match fs::read(&path) {
        Ok(content) => serde_json::from_slice(&content)
            .map(Some)
            .with_context(|| format!("{} is not what this program writes", path.display())),
        Err(_) => Ok(None),
    }
}

fn free_index(name: &str, used: &[u8]) -> anyhow::Result<u8> {
    for index in (0..MAX_CLUSTERS).filter(|index| !used.contains(index)) {
        let candidate = Layout {
            name: name.to_owned(),
            index,
            folder: PathBuf::new(),
        };
        if !network::has_link(None, &candidate.host_link()) && !network::is_used(&candidate.network())? {
            return Ok(index);
        }
    }
    bail!(
        "no network is left for another cluster: 10.64.0.0/16 to 10.95.0.0/16 are all in use on this machine"
    )
}

/// Locks a folder, by itself: a file for it would have to be left behind.
fn lock(folder: &Path, make: bool) -> anyhow::Result<File> {
    loop {
        if make {
            fs::create_dir_all(folder)
                .with_context(|| format!("{} can't be made: run as root", folder.display()))?;
        }
        let file = match File::open(folder) {
            Err(error) if make && error.kind() == std::io::ErrorKind::NotFound => continue,
            other => other.with_context(|| format!("{} can't be opened", folder.display()))?,
        };
        file.lock()
            .with_context(|| format!("{} can't be locked", folder.display()))?;
        // Whoever held the lock before may have removed the folder.
        let inode = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
        match fs::metadata(folder) {
            Ok(now) if inode(&now) == inode(&file.metadata()?) => return Ok(file),
            _ if make => {}
            _ => bail!("{} was removed meanwhile", folder.display()),
        }
    }
}
