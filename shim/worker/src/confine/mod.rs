//! Gives up everything that a worker does not need, before it reads the first packet. Native code that a guest smuggled in finds
//! itself here; what it could do then is what this leaves.
//!
//! The order matters. Namespaces belong to a thread until there are more of them, so they come first; the engines read `/proc`
//! when they start, so the root comes after them; and after the filter of system calls nothing can be given up any more.

mod privileges;
mod root;
mod seccomp;

use crate::Arguments;
use anyhow::Context;
use nix::sched::CloneFlags;
use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, umask};
use shoal_channel::{Channel, INHERITED};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Where the network namespace is, for a worker that lives in one.
const NETWORK: RawFd = INHERITED + 1;

/// Confines this process. `prepare` makes what cannot be made afterwards: it may start threads and read files, but what it opens
/// stays open for guests that break out.
pub(crate) fn enter<T>(
    arguments: &Arguments,
    prepare: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(Channel, T)> {
    let channel = Channel::inherited()
        .context("descriptor 3 is no channel: workers are started by shoald, not by hand")?;
    let network = arguments.network.then(network).transpose()?;
    close_others(if arguments.network { NETWORK + 1 } else { NETWORK })?;
    limits()?;
    namespaces(network)?;
    privileges::narrow()?;
    let prepared = prepare()?;
    root::change(&arguments.root).with_context(|| format!("make {} the root", arguments.root.display()))?;
    privileges::drop(arguments.uid, arguments.gid)?;
    // As runc sets it, whatever containerd's is.
    umask(Mode::WGRP | Mode::WOTH);
    // No other process of this user may look into this one. Changing the user has done so already, unless fs.suid_dumpable is set.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("PR_SET_DUMPABLE")?;
    seccomp::apply(arguments.network, arguments.directories)?;
    Ok((channel, prepared))
}

#[allow(unsafe_code, reason = "a descriptor that is known by its number alone")]
fn network() -> anyhow::Result<OwnedFd> {
    // SAFETY: a number that is not open is no memory error; the borrow ends with this statement.
    rustix::io::fcntl_getfd(unsafe { std::os::fd::BorrowedFd::borrow_raw(NETWORK) })
        .context("--network: descriptor 4 is not open")?;
    // SAFETY: it is open, whoever started us put it there, and nothing else in this process knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(NETWORK) })
}

#[allow(unsafe_code, reason = "no library wraps close_range")]
fn close_others(first: RawFd) -> anyhow::Result<()> {
    // SAFETY: nothing was opened by this process yet, so nobody owns what is closed.
    match unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()).context("close_range"),
    }
}

/// No core dumps, which would hold what guests were told in confidence; all the descriptors that there may be, and no more.
fn limits() -> anyhow::Result<()> {
    let files = rustix::process::getrlimit(Resource::Nofile).maximum;
    for (resource, limit) in [(Resource::Core, Some(0)), (Resource::Nofile, files)] {
        let limit = Rlimit {
            current: limit,
            maximum: limit,
        };
        rustix::process::setrlimit(resource, limit).with_context(|| format!("set the limit {resource:?}"))?;
    }
    Ok(())
}

fn namespaces(network: Option<OwnedFd>) -> anyhow::Result<()> {
    let mut own = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    match network {
        Some(network) => nix::sched::setns(network, CloneFlags::CLONE_NEWNET)
            .context("--network: descriptor 4 is no network namespace")?,
        None => own |= CloneFlags::CLONE_NEWNET,
    }
    nix::sched::unshare(own).context("unshare")
}
