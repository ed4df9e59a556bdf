//! Limits of the whole machine that hundreds of pods run into: raised while there is a cluster, and put back after the last. Limits of a
//! single program are in `component`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::component::write;

/// Below /proc/sys, and what each is raised to. They can't be set for a namespace.
const LEAST: [(&str, u64); 4] = [
    // Each pod knows its node and each node its pods, and all of them share one table of neighbours.
    ("net/ipv4/neigh/default/gc_thresh2", 16384),
    ("net/ipv4/neigh/default/gc_thresh3", 32768),
    // With cgroups of version 2, each of runc's containers is watched for running out of memory.
    ("fs/inotify/max_user_instances", 8192),
    ("fs/inotify/max_user_watches", 524_288),
];

/// What they were, in the folder of all clusters.
const BEFORE: &str = "limits-before.json";

/// Raises those that are too low.
pub(crate) fn raise(root: &Path) -> anyhow::Result<()> {
    raise_in(Path::new("/proc/sys"), root)
}

/// Puts back what was raised.
pub(crate) fn restore(root: &Path) -> anyhow::Result<()> {
    restore_in(Path::new("/proc/sys"), root)
}

fn raise_in(sys: &Path, root: &Path) -> anyhow::Result<()> {
    let mut before = remembered(root);
    for (knob, least) in LEAST {
        let path = sys.join(knob);
        // A kernel without it has no such limit.
        let Ok(now) = fs::read_to_string(&path) else {
            continue;
        };
        let now: u64 = now
            .trim()
            .parse()
            .with_context(|| format!("{} is no number", path.display()))?;
        if now < least {
            before.entry(knob.to_owned()).or_insert(now);
            // First: whatever happens after, it can be put back.
            write(&root.join(BEFORE), &serde_json::to_string(&before)?)?;
            fs::write(&path, least.to_string())
                .with_context(|| format!("{} can't be raised", path.display()))?;
        }
    }
    Ok(())
}

fn restore_in(sys: &Path, root: &Path) -> anyhow::Result<()> {
    for (knob, value) in remembered(root) {
        let path = sys.join(knob);
        fs::write(&path, value.to_string())
            .with_context(|| format!("{} can't be put back", path.display()))?;
    }
    let _absent = fs::remove_file(root.join(BEFORE));
    Ok(())
}

fn remembered(root: &Path) -> BTreeMap<String, u64> {
    let content = fs::read(root.join(BEFORE)).unwrap_or_default();
    serde_json::from_slice(&content).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_raised_is_put_back_and_what_was_high_is_left_alone() {
        let (sys, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (low, high) = (sys.path().join(LEAST[2].0), sys.path().join(LEAST[3].0));
        fs::create_dir_all(low.parent().unwrap()).unwrap();
        fs::write(&low, "128\n").unwrap();
        fs::write(&high, "1000000\n").unwrap();
        for _ in 0..2 {
            raise_in(sys.path(), root.path()).unwrap();
            assert_eq!(fs::read_to_string(&low).unwrap(), "8192");
        }
        restore_in(sys.path(), root.path()).unwrap();
        assert_eq!(fs::read_to_string(&low).unwrap(), "128");
        assert_eq!(fs::read_to_string(&high).unwrap(), "1000000\n");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
