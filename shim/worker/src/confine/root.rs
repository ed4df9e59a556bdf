//! A root with compiled files in it and nothing else, not writable. Who puts files there is the daemon.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};
use std::path::Path;

const NONE: Option<&str> = None;

/// Makes `folder` the root of every thread, in a mount namespace of this process alone.
///
/// Not by `chroot`: what was mounted when the namespace was made would stay mounted in it, and keep the node from removing it.
pub(super) fn change(folder: &Path) -> nix::Result<()> {
    // Nothing of what follows is seen outside, nor the other way round.
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    mount(Some(folder), folder, NONE, MsFlags::MS_BIND, NONE)?;
    // Not `noexec`, for the files hold native code. The daemon goes on writing through its own mount.
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(
        NONE,
        folder,
        NONE,
        MsFlags::MS_REMOUNT | MsFlags::MS_BIND | flags,
        NONE,
    )?;
    chdir(folder)?;
    // The new root lands on top of the old one, which is then taken away from below it (pivot_root(2)).
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")
}
