//! Cgroups of a cluster, of version 1 and of version 2: made, listed, removed. What goes into them is decided elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// The hierarchies that a cluster's cgroups are made in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hierarchies {
    /// Where each is mounted.
    mounts: Vec<PathBuf>,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Hierarchies {
    /// Those of this machine.
    pub(crate) fn of_this_machine() -> anyhow::Result<Self> {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo")?;
        Self::parse(&mountinfo).context("no cgroups are mounted: Kubernetes needs them")
    }

    /// Where version 1 has the memory controller, all its hierarchies are taken. Systemd's hybrid mode has one of version 2 beside
    /// them, without controllers, in which runc makes cgroups as well. Otherwise the one of version 2 is taken.
    fn parse(mountinfo: &str) -> Option<Self> {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for line in mountinfo.lines() {
            let mut fields = line.split(' ');
            let Some(mount) = fields.nth(4).map(PathBuf::from) else {
                continue;
            };
            match fields.skip_while(|field| *field != "-").nth(1) {
                Some("cgroup") => one.push(mount),
                Some("cgroup2") => two.push(mount),
                _ => {}
            }
        }
        if one.iter().any(|mount| mount.to_string_lossy().contains("memory")) {
            one.append(&mut two);
            return Some(Self {
                mounts: one,
                version: Version::One,
            });
        }
        two.truncate(1);
        (!two.is_empty()).then_some(Self {
            mounts: two,
            version: Version::Two,
        })
    }

    /// The folders of a cgroup, one in each hierarchy.
    pub(crate) fn folders(&self, cgroup: &str) -> Vec<PathBuf> {
        self.mounts.iter().map(|mount| mount.join(cgroup)).collect()
    }

    /// Makes a cgroup and those above it, with all controllers.
    pub(crate) fn ensure(&self, cgroup: &str) -> anyhow::Result<()> {
        for mount in &self.mounts {
            let mut folder = mount.clone();
            for part in Path::new(cgroup) {
                if self.version == Version::Two {
                    delegate(&folder)?;
                }
                let parent = folder.clone();
                folder.push(part);
                if !folder.exists() {
                    fs::create_dir(&folder)
                        .with_context(|| format!("the cgroup {} can't be made", folder.display()))?;
                }
                // In version 1 it begins without processors and memory nodes, and takes no process.
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    if self.version == Version::One && folder.join(file).exists() {
                        let all = fs::read_to_string(parent.join(file))?;
                        fs::write(folder.join(file), all.trim())?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The ids of all processes in a cgroup and below it.
    pub(crate) fn processes(&self, cgroup: &str) -> Vec<i32> {
        let mut found = Vec::new();
        for folder in self.folders(cgroup) {
            walk(&folder, &mut |folder| {
                let listed = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
                found.extend(listed.lines().filter_map(|line| line.parse::<i32>().ok()));
            });
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Removes a cgroup and those below it; they must hold no processes.
    pub(crate) fn remove(&self, cgroup: &str) -> anyhow::Result<()> {
        let began = Instant::now();
        for folder in self.folders(cgroup) {
            loop {
                walk(&folder, &mut |folder| {
                    let _busy = fs::remove_dir(folder);
                });
                if !folder.exists() {
                    break;
                }
                // A process that was ended counts until the kernel has put it away.
                if began.elapsed() > Duration::from_secs(10) {
                    bail!(
                        "the cgroup {} can't be removed: it still holds processes",
                        folder.display()
                    );
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }
}

/// Hands the controllers of a cgroup (version 2) to those below it.
fn delegate(folder: &Path) -> anyhow::Result<()> {
    let controllers = fs::read_to_string(folder.join("cgroup.controllers"))?;
    for controller in controllers.split_ascii_whitespace() {
        // Some can't be (a processor's real-time budget); what Kubernetes needs of them kubelet says at its start.
        let _refused = fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}"));
    }
    Ok(())
}

/// Visits folders, those below first.
fn walk(folder: &Path, visit: &mut impl FnMut(&Path)) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        walk(&entry.path(), visit);
    }
    visit(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid_is_version_1_and_unified_is_version_2() {
        let hybrid = "24 23 0:23 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n\
                      25 23 0:24 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
                      26 23 0:25 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let found = Hierarchies::parse(hybrid).unwrap();
        assert_eq!(found.version, Version::One);
        assert_eq!(
            found.folders("a/b"),
            [
                Path::new("/sys/fs/cgroup/cpuset/a/b"),
                Path::new("/sys/fs/cgroup/memory/a/b"),
                Path::new("/sys/fs/cgroup/unified/a/b"),
            ]
        );
        let unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = Hierarchies::parse(unified).unwrap();
        assert_eq!(found.version, Version::Two);
        assert_eq!(found.folders("a"), [Path::new("/sys/fs/cgroup/a")]);
        assert_eq!(Hierarchies::parse("1 1 0:1 / / rw - ext4 /dev/vda rw\n"), None);
    }
}
