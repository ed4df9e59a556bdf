//! Whether this process's memory can be swapped out. Nothing here changes the system.
//!
//! `PAGEMAP_SCAN` finds the pages that a guest dirtied, so that no others need to be reset for the next guest. It misses a dirty
//! page that was swapped out meanwhile (wasmtime issue 14357): the next guest could read it. So it is used only where no page of
//! the process can be swapped. Locking the memory instead is no way out: `MADV_DONTNEED` fails with EINVAL on locked pages
//! (madvise(2)), and the pool resets what is larger than `keep_resident` with it.

use std::path::Path;

/// True where the process's cgroup forbids swap (cgroup v2, `memory.swap.max` of 0), or the system has no swap space.
///
/// Swap that is switched on later is not noticed: on nodes the worker's cgroup forbids it, on a laptop this is documented.
pub(crate) fn is_impossible() -> bool {
    let cgroup = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    cgroup_forbids_swap(&cgroup, Path::new("/sys/fs/cgroup"))
        || std::fs::read_to_string("/proc/swaps").is_ok_and(|swaps| no_swap_space(&swaps))
}

/// `/proc/swaps` holds a header and a line for each swap area (proc(5)).
fn no_swap_space(swaps: &str) -> bool {
    swaps.lines().skip(1).all(|line| line.trim().is_empty())
}

/// Whether a cgroup on the path of `/proc/self/cgroup` (the line `0::PATH` is version 2's) allows no swap.
fn cgroup_forbids_swap(cgroup: &str, root: &Path) -> bool {
    let Some(path) = cgroup.lines().find_map(|line| line.strip_prefix("0::")) else {
        return false;
    };
    Path::new(path.trim_start_matches('/')).ancestors().any(|dir| {
        let limit = std::fs::read_to_string(root.join(dir).join("memory.swap.max"));
        limit.is_ok_and(|limit| limit.trim() == "0")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_area_is_seen() {
        let header = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert!(no_swap_space(header));
        assert!(!no_swap_space(&format!(
            "{header}/dev/zram0 partition 8388604 0 100\n"
        )));
    }

    #[test]
    fn a_cgroup_above_ours_may_forbid_it() {
        let root = tempfile::tempdir().expect("a folder");
        let pod = root.path().join("kubepods/pod1/worker");
        std::fs::create_dir_all(&pod).expect("folders");
        std::fs::write(pod.join("memory.swap.max"), "max\n").expect("a file");
        let ours = "12:cpu:/x\n0::/kubepods/pod1/worker\n";
        assert!(!cgroup_forbids_swap(ours, root.path()));
        std::fs::write(root.path().join("kubepods/memory.swap.max"), "0\n").expect("a file");
        assert!(cgroup_forbids_swap(ours, root.path()));
        assert!(!cgroup_forbids_swap("12:memory:/kubepods\n", root.path()));
    }
}
