//! Folders that a component may see. The checks of paths are wasmtime-wasi's: every path is resolved beneath the folder (on Linux
//! by `openat2`), so `..`, absolute paths and links that lead out of it are refused.

use crate::CapabilityError;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::fchdir;
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime_wasi::filesystem::WasiFilesystemCtx;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// A folder of the host, as a component sees it.
#[derive(Clone, Debug)]
pub struct Mount {
    /// The folder.
    pub source: Folder,
    /// Where the guest finds it.
    pub path: String,
    /// Whether the guest may only read.
    pub read_only: bool,
}

/// A folder of the host.
#[derive(Clone, Debug)]
pub enum Folder {
    /// By its path. It is opened once, when the grants are built; what the path names afterwards does not matter.
    Named(PathBuf),
    /// One that somebody else opened, for a process that has no path to it. While it is taken over, it is this process's working directory,
    /// so nothing else may use relative paths meanwhile.
    Opened(Arc<OwnedFd>),
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(path) => path.display().fmt(f),
            Self::Opened(_) => f.write_str("the directory that came for it"),
        }
    }
}

/// The library opens folders by their paths alone.
static WORKING_DIRECTORY: Mutex<()> = Mutex::new(());

/// Does `open` with a path by which `folder` can be opened.
fn with_path<T>(folder: &Folder, open: impl FnOnce(&Path) -> wasmtime::Result<T>) -> wasmtime::Result<T> {
    let folder = match folder {
        Folder::Named(path) => return open(path),
        Folder::Opened(folder) => folder,
    };
    let _turn = WORKING_DIRECTORY.lock().unwrap_or_else(PoisonError::into_inner);
    let before = openat(
        CWD,
        ".",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    fchdir(folder)?;
    let opened = open(Path::new("."));
    fchdir(before)?;
    opened
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
        let opened = with_path(&mount.source, |path| {
            builder.preopened_dir(path, &mount.path, permissions).map(|_| ())
        });
        opened.map_err(|source| CapabilityError::Mount {
            folder: mount.source.to_string(),
            path: mount.path.clone(),
            source,
        })?;
    }
    Ok(builder.build().filesystem().clone())
}

#[cfg(test)]
mod tests;
