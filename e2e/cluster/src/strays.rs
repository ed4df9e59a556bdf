//! Which processes belong to a cluster, whoever started them: containers, shims and what shims started. Found by what the kernel says
//! of them, never by name.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::bail;
use rustix::process::Signal;

use crate::cgroup::Hierarchies;
use crate::component::{Process, running};
use crate::layout::Layout;
use crate::network::netns_file;
use crate::{network, node};

/// The kinds of namespaces that a process is found by.
const KINDS: [&str; 2] = ["net", "mnt"];

/// What tells a process of the cluster, or of a part of it. One of these is enough.
pub(crate) struct Marks {
    /// It is in one of these cgroups, or below.
    cgroups: Vec<String>,
    /// It is in one of these network namespaces, by name.
    netns: Vec<String>,
    /// It is in a mount namespace that one of these processes is in.
    holders: Vec<Process>,
    /// It was started as part of a shim (`SHOAL_RUN`, `SHOAL_ROOT`) whose state lies below.
    folder: PathBuf,
}

impl Marks {
    /// Those of a whole cluster.
    pub(crate) fn of_cluster(layout: &Layout, nodes: u8) -> anyhow::Result<Self> {
        Ok(Self {
            cgroups: vec![layout.cgroup()],
            netns: network::netns_of(&layout.name)?,
            holders: (1..=nodes).filter_map(|node| holder(layout, node)).collect(),
            folder: layout.folder.clone(),
        })
    }

    /// Those of one node.
    pub(crate) fn of_node(layout: &Layout, node: u8) -> Self {
        Self {
            cgroups: vec![node::pods_cgroup(layout, node), node::system_cgroup(layout, node)],
            netns: vec![layout.node_netns(node)],
            holders: holder(layout, node).into_iter().collect(),
            folder: layout.node_folder(node),
        }
    }

    /// Ends all of them, at once.
    pub(crate) fn kill(&self, hierarchies: &Hierarchies) -> anyhow::Result<()> {
        let began = Instant::now();
        // Inodes of namespaces may be given to others once the last process in them has ended, so they are looked up once.
        let spaces = self.spaces();
        loop {
            let found = self.find(hierarchies, &spaces);
            if found.is_empty() {
                return Ok(());
            }
            if began.elapsed() > Duration::from_secs(20) {
                let list: Vec<_> = found
                    .iter()
                    .take(10)
                    .map(|process| describe(process.pid))
                    .collect();
                bail!("{} processes can't be ended: {}", found.len(), list.join(", "));
            }
            for process in &found {
                process.signal(Signal::KILL);
            }
            for process in &found {
                process.wait(Duration::from_millis(500));
            }
        }
    }

    fn spaces(&self) -> Vec<(u64, u64)> {
        let netns = self.netns.iter().map(|name| netns_file(name));
        let holders = self.holders.iter().filter(|holder| holder.is_alive());
        let holders = holders.map(|holder| format!("/proc/{}/ns/mnt", holder.pid).into());
        // A holder that was just started is still in the machine's own namespaces, with everything else that runs here.
        let common: Vec<_> = ["self", "1"]
            .iter()
            .flat_map(|process| KINDS.map(|kind| inode(Path::new(&format!("/proc/{process}/ns/{kind}")))))
            .collect();
        let spaces = netns.chain(holders).filter_map(|path: PathBuf| inode(&path));
        spaces.filter(|space| !common.contains(&Some(*space))).collect()
    }

    fn find(&self, hierarchies: &Hierarchies, spaces: &[(u64, u64)]) -> Vec<Process> {
        let in_cgroups: Vec<i32> = self
            .cgroups
            .iter()
            .flat_map(|cgroup| hierarchies.processes(cgroup))
            .collect();
        let this = std::process::id().cast_signed();
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| *pid != 1 && *pid != this)
            .filter(|pid| in_cgroups.contains(pid) || is_in(*pid, spaces) || self.is_shim(*pid))
            .filter_map(Process::of)
            .collect()
    }

    fn is_shim(&self, pid: i32) -> bool {
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else {
            return false;
        };
        environment.split(|byte| *byte == 0).any(|variable| {
            let value = variable
                .strip_prefix(b"SHOAL_RUN=")
                .or_else(|| variable.strip_prefix(b"SHOAL_ROOT="));
            let value = value.and_then(|value| std::str::from_utf8(value).ok());
            value.is_some_and(|value| Path::new(value).starts_with(&self.folder))
        })
    }
}

fn holder(layout: &Layout, node: u8) -> Option<Process> {
    running(&layout.node_folder(node), "holder")
}

fn is_in(pid: i32, spaces: &[(u64, u64)]) -> bool {
    KINDS.iter().any(|kind| {
        let own = inode(Path::new(&format!("/proc/{pid}/ns/{kind}")));
        own.is_some_and(|own| spaces.contains(&own))
    })
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path)
        .ok()
        .map(|metadata| (metadata.dev(), metadata.ino()))
}

fn describe(pid: i32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("{pid} ({})", name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_that_has_not_left_the_machines_namespaces_marks_nobody() {
        let this = Process::of(std::process::id().cast_signed()).unwrap();
        let marks = Marks {
            cgroups: Vec::new(),
            netns: Vec::new(),
            holders: vec![this],
            folder: "/nowhere".into(),
        };
        assert_eq!(marks.spaces(), []);
    }

    #[test]
    fn a_shim_is_known_by_where_its_state_lies() {
        let folder = tempfile::tempdir().unwrap();
        let mut shim = std::process::Command::new("sleep")
            .arg("1000")
            .env("SHOAL_RUN", folder.path().join("run"))
            .spawn()
            .unwrap();
        let marks = |folder: &Path| Marks {
            cgroups: Vec::new(),
            netns: Vec::new(),
            holders: Vec::new(),
            folder: folder.to_owned(),
        };
        let pid = shim.id().cast_signed();
        // The kernel shows it a moment after the program has begun.
        while fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| environment.is_empty()) {
            std::thread::yield_now();
        }
        let (own, other) = (marks(folder.path()), marks(&folder.path().with_extension("x")));
        let found = (own.is_shim(pid), other.is_shim(pid));
        shim.kill().unwrap();
        shim.wait().unwrap();
        assert_eq!(found, (true, false));
    }
}
