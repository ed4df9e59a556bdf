//! User, groups and capabilities.

use anyhow::Context;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

/// Gives up every way to gain capabilities later. Belongs to a thread, so it comes before there are others.
pub(super) fn narrow() -> anyhow::Result<()> {
    clear_ambient_capability_set().context("clear the ambient capabilities")?;
    for capability in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << capability);
        // Beyond the last one that the kernel knows.
        if remove_capability_from_bounding_set(capability).is_err() {
            break;
        }
    }
    let held = capabilities(None).context("read the capabilities")?;
    let kept = CapabilitySets {
        inheritable: CapabilitySet::empty(),
        ..held
    };
    set_capabilities(None, kept).context("clear the inheritable capabilities")?;
    set_no_new_privs(true).context("PR_SET_NO_NEW_PRIVS")
}

/// Becomes another user, on all threads: nix calls glibc, which tells them. With root's number go all capabilities (capabilities(7)).
pub(super) fn drop(uid: u32, gid: u32) -> anyhow::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    setgroups(&[]).context("setgroups")?;
    setresgid(gid, gid, gid).context("setresgid")?;
    setresuid(uid, uid, uid).context("setresuid")
}
