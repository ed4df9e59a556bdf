//! `shoal-cluster down`: ends a cluster and removes all that it left. Making one is `up`.

use std::fs;
use std::path::Path;

use anyhow::Context;
use rustix::mount::{UnmountFlags, unmount};

use crate::cgroup::Hierarchies;
use crate::claim::Claim;
use crate::strays::Marks;
use crate::{knobs, layout, network, node};

/// Ends the cluster of this name; content where there is none.
pub(crate) fn run(name: &str) -> anyhow::Result<()> {
    if !layout::folder(&layout::root(), name)?.exists() {
        println!("there is no cluster {name}");
        return Ok(());
    }
    let claim = Claim::find(name)?.with_context(|| {
        let folder = layout::root().join(name);
        format!(
            "{} is not a cluster's folder: remove it by hand",
            folder.display()
        )
    })?;
    let layout = &claim.layout;
    let hierarchies = Hierarchies::of_this_machine()?;
    Marks::of_cluster(layout, claim.record.nodes)?.kill(&hierarchies)?;
    network::remove(layout)?;
    unmount_below(&layout.folder)?;
    hierarchies.remove(&layout.cgroup())?;
    claim.release(|| {
        node::remove_mount_points();
        network::remove_empty_folder();
        knobs::restore(&layout::root())
    })?;
    println!("the cluster {name} is down");
    Ok(())
}

/// What nodes mount goes with their mount namespaces. Whatever somebody mounted from outside must not be in the way, and above all
/// not be emptied.
fn unmount_below(folder: &Path) -> anyhow::Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let below = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .map(Path::new);
    let below: Vec<_> = below.filter(|mount| mount.starts_with(folder)).collect();
    for mount in below.iter().rev() {
        unmount(*mount, UnmountFlags::DETACH)
            .with_context(|| format!("{} can't be unmounted", mount.display()))?;
    }
    Ok(())
}
