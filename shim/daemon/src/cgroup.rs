//! A control group for each worker, under version 1 or 2 (kernel: admin-guide/cgroup-v1 and cgroup-v2). Not the pods' own groups:
//! one worker runs many pods, and what each may use is counted within it.

use rustix::process::Pid;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";
/// The controllers of version 1 that we use, each a hierarchy of its own.
const V1: [&str; 3] = ["memory", "pids", "cpu"];
/// Threads and processes of one worker: it has a thread for each processor, and a few more.
const MAX_TASKS: u32 = 1024;

/// A worker's group.
#[derive(Clone, Debug)]
pub(crate) struct Cgroup {
    folders: Vec<PathBuf>,
    unified: bool,
}

impl Cgroup {
    /// The group `parent/name`, made where it is missing.
    pub(crate) fn create(parent: &str, name: &str) -> io::Result<Self> {
        let root = Path::new(ROOT);
        let unified = root.join("cgroup.controllers").exists();
        let folders: Vec<_> = if unified {
            let parent = root.join(parent);
            fs::create_dir_all(&parent)?;
            for folder in [root, &parent] {
                // A controller that is not there, or not ours to give, is one limit less.
                for controller in ["+memory", "+pids", "+cpu"] {
                    let _ = fs::write(folder.join("cgroup.subtree_control"), controller);
                }
            }
            vec![parent.join(name)]
        } else {
            let hierarchies = V1.iter().map(|controller| root.join(controller));
            hierarchies
                .filter(|hierarchy| hierarchy.is_dir())
                .map(|hierarchy| hierarchy.join(parent).join(name))
                .collect()
        };
        for folder in &folders {
            fs::create_dir_all(folder)?;
        }
        let group = Self { folders, unified };
        group.bound();
        Ok(group)
    }

    /// No swap, so that a slot of the pool never holds what was swapped out of another; and a bounded number of threads.
    fn bound(&self) {
        let (swap, value) = if self.unified {
            ("memory.swap.max", "0")
        } else {
            ("memory.swappiness", "0")
        };
        self.try_write(swap, value);
        self.try_write("pids.max", &MAX_TASKS.to_string());
    }

    fn try_write(&self, file: &str, value: &str) {
        for folder in &self.folders {
            let path = folder.join(file);
            if path.exists()
                && let Err(error) = fs::write(&path, value)
            {
                tracing::debug!(path = %path.display(), "cannot write {value}: {error}");
            }
        }
    }

    /// Moves a process, with all its threads, into the group.
    pub(crate) fn add(&self, pid: Pid) -> io::Result<()> {
        for folder in &self.folders {
            fs::write(folder.join("cgroup.procs"), pid.as_raw_nonzero().to_string())?;
        }
        Ok(())
    }

    /// How many processes of the group the kernel has killed for want of memory.
    pub(crate) fn oom_kills(&self) -> u64 {
        let file = if self.unified {
            "memory.events"
        } else {
            "memory.oom_control"
        };
        let texts = self
            .folders
            .iter()
            .filter_map(|folder| fs::read_to_string(folder.join(file)).ok());
        texts.map(|text| oom_kills(&text)).max().unwrap_or(0)
    }

    /// Removes the group; its processes have to be gone.
    pub(crate) fn remove(&self) {
        for folder in &self.folders {
            match fs::remove_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(path = %folder.display(), "cannot remove a cgroup: {error}");
                }
                _ => {}
            }
        }
    }
}

fn oom_kills(text: &str) -> u64 {
    let value = |line: &str| line.strip_prefix("oom_kill ")?.trim().parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_count_kills_in_the_same_words() {
        assert_eq!(oom_kills("low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\n"), 1);
        assert_eq!(oom_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), 7);
        assert_eq!(oom_kills(""), 0);
    }
}
