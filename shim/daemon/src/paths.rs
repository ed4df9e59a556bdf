//! Where a node's files lie. Two folders: one that a reboot empties, one that it keeps.
//!
//! ```text
//! SHOAL_RUN  (/run/shoal)      shim.sock       the keeper's, for containerd
//!                              shoald.sock     ours, for the keeper
//!                              containerd.json where containerd listens, from the launcher
//!                              sandboxes/ tasks/ domains/   a record each, see `records`
//!                              metrics/shoal.prom  see `metrics`
//! SHOAL_ROOT (/var/lib/shoal)  cache/          artifacts and compiled files
//!                              cache-size      how large it may become, such as 10Gi, where somebody says so
//!                              workers/NAME/   a worker's root: hard links to the compiled files of its trust domain
//! ```

use shoal_channel::node::Folders;
use std::env;
use std::path::PathBuf;

/// The folders of this node.
#[derive(Clone, Debug)]
pub(crate) struct Paths(Folders);

impl Paths {
    pub(crate) fn from_env() -> Self {
        Self(Folders::from_env())
    }

    /// With both folders in `folder`.
    #[cfg(test)]
    pub(crate) fn within(folder: &std::path::Path) -> Self {
        Self(Folders {
            run: folder.join("run"),
            root: folder.join("root"),
        })
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.daemon_socket()
    }

    pub(crate) fn containerd(&self) -> PathBuf {
        self.0.containerd()
    }

    pub(crate) fn records(&self, kind: &str) -> PathBuf {
        self.0.run.join(kind)
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.0.root.join("cache")
    }

    pub(crate) fn workers(&self) -> PathBuf {
        self.0.root.join("workers")
    }

    /// The file that says how large the cache may become.
    pub(crate) fn cache_size(&self) -> PathBuf {
        self.0.root.join("cache-size")
    }

    /// What a node exporter reads.
    pub(crate) fn metrics(&self) -> PathBuf {
        self.0.run.join("metrics").join("shoal.prom")
    }

    /// Images on their way from containerd's store into the cache.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.0.root.join("incoming")
    }

    /// The control group that workers' groups lie in, below the root of each hierarchy: `SHOAL_CGROUP`, or `shoal`.
    pub(crate) fn cgroup(&self) -> String {
        let name = env::var("SHOAL_CGROUP").unwrap_or_default();
        let name = name.trim_matches('/');
        if name.is_empty() { "shoal" } else { name }.to_owned()
    }
}
