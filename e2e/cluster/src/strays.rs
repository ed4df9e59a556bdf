//! Which processes belong to a cluster, whoever started them: containers, shims and what shims started. Found by what the kernel says
//! of them, never by name.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use rustix::process::Signal;

use crate::cgroup::Hierarchies;
use crate::component::Process;
use crate::network::netns_file;

/// What tells a process of the cluster, or of a part of it. One of these is enough.
pub(crate) struct Marks {
    /// It is in one of these cgroups, or below.
    pub(crate) cgroups: Vec<String>,
    /// It is in one of these network namespaces, by name.
    pub(crate) netns: Vec<String>,
    /// It is in a mount namespace that one of these processes is in.
    pub(crate) holders: Vec<Process>,
    /// It was started as part of a shim (`SHOAL_RUN`, `SHOAL_ROOT`) whose state lies below.
    pub(crate) folder: std::path::PathBuf,
}

impl Marks {
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
        netns.chain(holders).filter_map(|path| inode(&path)).collect()
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

fn is_in(pid: i32, spaces: &[(u64, u64)]) -> bool {
    ["net", "mnt"].iter().any(|kind| {
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
