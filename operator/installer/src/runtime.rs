//! What containerd is to know of us: the row of its table of runtimes, as TOML and as containerd itself reports it. Pure.

use std::path::PathBuf;

use toml_edit::{Array, Item, Table, Value, value};

/// What pods ask for: the handler of the RuntimeClass.
pub const NAME: &str = "shoal";
/// By this containerd finds the program `containerd-shim-shoal-v1`.
pub(crate) const KIND: &str = "io.containerd.shoal.v1";
/// Stands above the row, so that nobody wonders.
pub(crate) const COMMENT: &str =
    "# Put here by shoal-installer, which also takes it out (`shoal-installer remove`).\n";

/// Who makes the sandboxes of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sandboxer {
    /// The shim, as of containerd 2.0.
    Shim,
    /// containerd, by a pause container.
    Podsandbox,
}

impl Sandboxer {
    /// As containerd spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shim => "shim",
            Self::Podsandbox => "podsandbox",
        }
    }
}

/// The version of a containerd, as far as it decides anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Version {
    /// 1 or 2.
    pub major: u32,
    /// Of this major version.
    pub minor: u32,
}

impl Version {
    /// Reads what containerd says of itself: `v2.4.2`, `1.7.24~ds1`, `v1.7.27-k3s1`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text
            .trim()
            .trim_start_matches('v')
            .split(|c: char| !c.is_ascii_digit());
        Some(Self {
            major: numbers.next()?.parse().ok()?,
            minor: numbers.next()?.parse().ok()?,
        })
    }

    /// Older ones have no `v1` of CRI.
    pub const OLDEST: Self = Self { major: 1, minor: 6 };

    /// Whether `sandboxer` is known to it.
    pub fn has_sandboxers(self) -> bool {
        self.major >= 2
    }
}

/// The row.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// Only where the version knows of it.
    pub sandboxer: Option<Sandboxer>,
    /// The shim's program, where containerd's PATH leads to none.
    pub path: Option<PathBuf>,
    /// Further keys, as the user gave them.
    pub options: Vec<(String, Value)>,
}

const POD_ANNOTATIONS: [&str; 1] = ["shoal.dev/*"];
/// kubelet says there which ports a container has.
const CONTAINER_ANNOTATIONS: [&str; 2] = ["shoal.dev/*", "io.kubernetes.container.*"];

impl Runtime {
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new();
        table.insert("runtime_type", value(KIND));
        if let Some(path) = &self.path {
            table.insert("runtime_path", value(path.to_string_lossy().as_ref()));
        }
        if let Some(sandboxer) = self.sandboxer {
            table.insert("sandboxer", value(sandboxer.as_str()));
        }
        table.insert("pod_annotations", value(Array::from_iter(POD_ANNOTATIONS)));
        table.insert(
            "container_annotations",
            value(Array::from_iter(CONTAINER_ANNOTATIONS)),
        );
        for (key, option) in &self.options {
            table.insert(key, Item::Value(option.clone()));
        }
        table
    }

    /// Whether a containerd that runs has this row, by what its CRI reports in `info["config"]`. What it does not say the same way in
    /// each version (further keys) is compared by what is written alone.
    pub fn is_in_effect(&self, config: &serde_json::Value) -> bool {
        let row = &config["containerd"]["runtimes"][NAME];
        let path = self.path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let has = |key: &str, all: &[&str]| {
            let there = row[key].as_array();
            all.iter()
                .all(|one| there.is_some_and(|there| there.iter().any(|t| t == one)))
        };
        row["runtimeType"] == KIND
            && row["runtimePath"].as_str().unwrap_or_default() == path.unwrap_or_default()
            && self
                .sandboxer
                .is_none_or(|sandboxer| row["sandboxer"] == sandboxer.as_str())
            && has("PodAnnotations", &POD_ANNOTATIONS)
            && has("ContainerAnnotations", &CONTAINER_ANNOTATIONS)
    }
}

/// Whether a containerd that runs has a row of ours at all.
pub fn is_known(config: &serde_json::Value) -> bool {
    !config["containerd"]["runtimes"][NAME].is_null()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn versions_are_read_as_packages_write_them() {
        let version = |major, minor| Some(Version { major, minor });
        assert_eq!(Version::parse("v2.4.2"), version(2, 4));
        assert_eq!(Version::parse("1.7.24~ds1"), version(1, 7));
        assert_eq!(Version::parse("v1.7.27-k3s1"), version(1, 7));
        assert_eq!(Version::parse("v0.0.0-master"), version(0, 0));
        assert_eq!(Version::parse("<unknown>"), None);
        assert!(Version { major: 1, minor: 5 } < Version::OLDEST);
        assert!(Version { major: 2, minor: 0 } > Version::OLDEST);
    }

    #[test]
    fn what_containerd_reports_is_compared_with_what_it_should_know() {
        let runtime = Runtime {
            sandboxer: Some(Sandboxer::Shim),
            path: None,
            options: Vec::new(),
        };
        let mut config = json!({"containerd": {"runtimes": {"shoal": {
            "runtimeType": "io.containerd.shoal.v1", "runtimePath": "", "sandboxer": "shim",
            "PodAnnotations": ["shoal.dev/*"],
            "ContainerAnnotations": ["shoal.dev/*", "io.kubernetes.container.*", "another/*"],
        }}}});
        assert!(is_known(&config) && runtime.is_in_effect(&config));
        let row = "/containerd/runtimes/shoal";
        *config.pointer_mut(&format!("{row}/sandboxer")).unwrap() = json!("podsandbox");
        assert!(!runtime.is_in_effect(&config));
        *config.pointer_mut(&format!("{row}/sandboxer")).unwrap() = json!("shim");
        *config.pointer_mut(&format!("{row}/runtimePath")).unwrap() = json!("/x");
        assert!(!runtime.is_in_effect(&config));
        *config.pointer_mut(row).unwrap() = json!(null);
        assert!(!is_known(&config) && !runtime.is_in_effect(&config));
    }
}
