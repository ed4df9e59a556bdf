//! Folders that a component may see. The checks of paths are wasmtime-wasi's: every path is resolved beneath the folder (on Linux
//! by `openat2`), so `..`, absolute paths and links that lead out of it are refused.

use crate::CapabilityError;
use rustix::process::fchdir;
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    /// One that somebody else opened, for a process that has no path to it.
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

/// Does `open` with a path by which `folder` can be opened: the library opens folders by their paths alone. A folder without a path is made
/// the working directory of a thread of its own, so that one whose file system never answers holds up no other.
fn with_path<T: Send>(
    folder: &Folder,
    open: impl FnOnce(&Path) -> wasmtime::Result<T> + Send,
) -> wasmtime::Result<T> {
    let folder = match folder {
        Folder::Named(path) => return open(path),
        Folder::Opened(folder) => folder,
    };
    let within = || {
        own_working_directory()?;
        fchdir(folder)?;
        open(Path::new("."))
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("directory".to_owned());
        let opening = thread.spawn_scoped(scope, within)?;
        let panicked = |_| wasmtime::format_err!("the thread that opens it has panicked");
        opening.join().map_err(panicked)?
    })
}

/// Gives this thread a working directory that is no other thread's (unshare(2)).
#[allow(
    unsafe_code,
    reason = "rustix has it as unsafe, for what it may do to descriptors"
)]
fn own_working_directory() -> Result<(), rustix::io::Errno> {
    // SAFETY: the working directory, the root and the umask alone become the thread's own; descriptors stay shared.
    unsafe { unshare_unsafe(UnshareFlags::FS) }
}

/// Opens every folder, which takes as long as its file system does. The result is cheap to clone, for each instance gets one.
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
