//! Folders that a component may see. The checks of paths are wasmtime-wasi's: every path is resolved beneath the folder (on Linux
//! by `openat2`), so `..`, absolute paths and links that lead out of it are refused.

use crate::CapabilityError;
use std::path::PathBuf;
use wasmtime_wasi::filesystem::WasiFilesystemCtx;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// A folder of the host, as a component sees it.
#[derive(Clone, Debug)]
pub struct Mount {
    /// The folder. It is opened once, when the grants are built; what its path names afterwards does not matter.
    pub source: PathBuf,
    /// Where the guest finds it.
    pub path: String,
    /// Whether the guest may only read.
    pub read_only: bool,
}

/// Opens every folder. The result is cheap to clone, for each instance gets one.
pub(crate) fn open(mounts: &[Mount]) -> Result<WasiFilesystemCtx, CapabilityError> {
    let mut builder = WasiCtxBuilder::new();
    // Reading a file may wait for a disk or a network file system for as long as it likes; on this thread that would hold up
    // every other instance. So operations go to tokio's threads for blocking work.
    builder.allow_blocking_current_thread(false);
    for mount in mounts {
        let permissions = if mount.read_only {
            FsPerms::ReadOnly
        } else {
            FsPerms::ReadWrite
        };
        builder
            .preopened_dir(&mount.source, &mount.path, permissions)
            .map_err(|source| CapabilityError::Mount {
                folder: mount.source.clone(),
                path: mount.path.clone(),
                source,
            })?;
    }
    Ok(builder.build().filesystem().clone())
}

#[cfg(test)]
mod tests;
