//! The directories that components are granted, for workers that have no path to them. A worker gets each as a mount of its own: detached,
//! so that no path leads out of it, and with the pod's user in it where the disk has that user, so that to the disk the files are what those
//! of any container of the pod would be.

use crate::error::Error;
use crate::record::{Owner, Program};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Opens the directories of `program`'s task, in their order, for a worker whose user and group have this number.
pub(crate) fn open(program: &Program, worker: u32) -> Result<Vec<OwnedFd>, Error> {
    let mut grants = program.task.directories().peekable();
    if grants.peek().is_none() {
        return Ok(Vec::new());
    }
    let users = users(program.owner, worker);
    let opened = grants.map(|grant| {
        let folder = program
            .volumes
            .get(&grant.volume)
            .map_or(Path::new(""), PathBuf::as_path);
        let failed = |source: io::Error| Error::Directory {
            volume: grant.volume.clone(),
            path: folder.to_owned(),
            source,
        };
        let mount = mount(folder).map_err(failed)?;
        let mapped = match &users {
            Ok(users) => set(&mount, grant.read_only, Some(users)),
            Err(error) => Err(again(error)),
        };
        match mapped {
            Ok(()) => {}
            // What everybody may read, a stranger may as well.
            Err(_) if grant.read_only => set(&mount, true, None).map_err(failed)?,
            Err(source) => {
                return Err(Error::Users {
                    volume: grant.volume.clone(),
                    source,
                });
            }
        }
        Ok(mount)
    });
    opened.collect()
}

/// The same error once more: each directory may be refused for it.
fn again(error: &io::Error) -> io::Error {
    error
        .raw_os_error()
        .map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

/// A detached mount of `folder`, without those below it.
fn mount(folder: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(CWD, folder, flags)?;
    // A mount of a file would be one as well.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(&mount, ".", flags, Mode::empty())?;
    Ok(mount)
}

/// What may be done in a mount, and who is who in it.
#[allow(unsafe_code, reason = "no library wraps mount_setattr")]
fn set(mount: &OwnedFd, read_only: bool, users: Option<&OwnedFd>) -> io::Result<()> {
    let mut flags = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
    if read_only {
        flags |= libc::MOUNT_ATTR_RDONLY;
    }
    if users.is_some() {
        flags |= libc::MOUNT_ATTR_IDMAP;
    }
    let attributes = libc::mount_attr {
        attr_set: flags,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: users.map_or(0, |users| u64::from(users.as_raw_fd().unsigned_abs())),
    };
    // SAFETY: the path is a string, and the attributes are as many bytes as is said. Both outlive the call (mount_setattr(2)).
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A user namespace in which `owner` on the disk is `worker`, and everybody else is who they are.
fn users(owner: Owner, worker: u32) -> io::Result<OwnedFd> {
    let child = idle_child()?;
    let made = || {
        let folder = format!("/proc/{}", child.as_raw_nonzero());
        fs::write(format!("{folder}/uid_map"), map(owner.user, worker))?;
        fs::write(format!("{folder}/gid_map"), map(owner.group, worker))?;
        File::open(format!("{folder}/ns/user"))
    };
    let made = made();
    // It waits for nothing else, and nobody else waits for it.
    let _ = kill_process(child, Signal::KILL);
    let _ = waitpid(Some(child), WaitOptions::empty());
    Ok(made?.into())
}

/// A process in a user namespace of its own that does nothing until it is killed.
#[allow(
    unsafe_code,
    reason = "only a child can have a user namespace of its own where there are threads (unshare(2))"
)]
fn idle_child() -> io::Result<Pid> {
    const NONE: libc::c_long = 0;
    let flags = libc::c_long::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
    // SAFETY: without memory in common, as fork(2). The child has this thread alone, so it does nothing but system calls.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, NONE, NONE, NONE, NONE) };
    if child == 0 {
        // SAFETY: see above. It ends with the thread that made it, if that does not end it.
        unsafe {
            let signal = libc::c_long::from(libc::SIGKILL);
            libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, signal, NONE, NONE, NONE);
            loop {
                libc::syscall(libc::SYS_ppoll, NONE, NONE, NONE, NONE, NONE);
            }
        }
    }
    let pid = i32::try_from(child).ok().and_then(Pid::from_raw);
    pid.filter(|_| child > 0).ok_or_else(io::Error::last_os_error)
}

/// Lines of `uid_map` (user_namespaces(7)) by which `disk` is `here`, and all other numbers are themselves. What is `here` on the disk is
/// nobody.
fn map(disk: u32, here: u32) -> String {
    // The last number is none.
    let ends = [disk.min(here), disk.max(here), u32::MAX];
    let mut lines = format!("{disk} {here} 1\n");
    let mut first = 0;
    for end in ends {
        if end > first {
            lines.push_str(&format!("{first} {first} {}\n", end - first));
        }
        first = end.saturating_add(1);
    }
    lines
}

#[cfg(test)]
mod tests;
