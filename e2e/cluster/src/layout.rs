//! Where a cluster has its files, names and addresses: pure functions of its name and its index. What is done with them is elsewhere.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::bail;

/// The cluster that is meant where none is named.
pub(crate) const DEFAULT_NAME: &str = "default";
/// How many clusters a machine can hold: 10.64.0.0/16 to 10.95.0.0/16, a network for each.
pub(crate) const MAX_CLUSTERS: u8 = 32;
/// How many nodes a cluster can have.
pub(crate) const MAX_NODES: u8 = 16;
/// What services get their addresses from. Alike in all clusters: these addresses exist on the nodes alone.
pub(crate) const SERVICE_CIDR: &str = "10.96.0.0/16";
/// The first of them, which Kubernetes keeps for its API.
pub(crate) const SERVICE_API: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
/// Where pods ask for names.
pub(crate) const SERVICE_DNS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

/// A unix socket's path may have 107 bytes, and containerd adds up to 60 to a node's folder.
const MAX_FOLDER: usize = 44;

/// The folder of all clusters. Not below /run, which often allows no programs in it, and has little room.
pub(crate) fn root() -> PathBuf {
    std::env::var_os("SHOAL_CLUSTERS").map_or_else(|| "/var/lib/shoal-clusters".into(), PathBuf::from)
}

/// A cluster's name and index, and all that follows from them.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) name: String,
    /// Below [`MAX_CLUSTERS`]; no two clusters of a machine have the same.
    pub(crate) index: u8,
    /// All that it has in files.
    pub(crate) folder: PathBuf,
}

/// Where a cluster of this name has its files.
pub(crate) fn folder(root: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if name.is_empty() || !name.bytes().all(plain) || name.starts_with('-') {
        bail!("{name:?} is no name for a cluster: small letters, digits and dashes, a letter or digit first");
    }
    let folder = root.join(name);
    let length = folder.as_os_str().len();
    if length > MAX_FOLDER || !folder.is_absolute() {
        bail!(
            "{} has {length} bytes; a cluster's folder must be absolute and of at most {MAX_FOLDER} bytes, since it holds \
             unix sockets: take a shorter --name, or set SHOAL_CLUSTERS to a shorter path",
            folder.display()
        );
    }
    Ok(folder)
}

impl Layout {
    const fn address(&self, low: u16) -> Ipv4Addr {
        let [high, low] = low.to_be_bytes();
        Ipv4Addr::new(10, 64 + self.index, high, low)
    }

    /// Everything in the cluster but services.
    pub(crate) fn network(&self) -> String {
        format!("{}/16", self.address(0))
    }

    /// The control plane: API server, registry, DNS.
    pub(crate) const fn control_ip(&self) -> Ipv4Addr {
        self.address(1)
    }

    /// This machine outside of the cluster.
    pub(crate) const fn host_ip(&self) -> Ipv4Addr {
        self.address(2)
    }

    /// A node, counted from 1.
    pub(crate) fn node_ip(&self, node: u8) -> Ipv4Addr {
        self.address(10 + u16::from(node))
    }

    /// The addresses of a node's pods: a /22, a thousand of them.
    pub(crate) fn pod_subnet(&self, node: u8) -> String {
        format!("{}/22", self.address(u16::from(node) << 10))
    }

    /// The registry, as references have it.
    pub(crate) fn registry(&self) -> String {
        format!("{}:5000", self.control_ip())
    }

    /// What root's network namespace holds of the cluster: one end of a veth pair. At most 15 bytes.
    pub(crate) fn host_link(&self) -> String {
        format!("shoal{}", self.index)
    }

    /// The control plane's network namespace.
    pub(crate) fn control_netns(&self) -> String {
        format!("shoal-{}-control", self.name)
    }

    /// A node's network namespace.
    pub(crate) fn node_netns(&self, node: u8) -> String {
        format!("shoal-{}-{}", self.name, node_name(node))
    }

    /// The folder of a node.
    pub(crate) fn node_folder(&self, node: u8) -> PathBuf {
        self.folder.join(node_name(node))
    }

    /// The folder of the control plane.
    pub(crate) fn control_folder(&self) -> PathBuf {
        self.folder.join("control")
    }

    /// The cgroup that all the cluster's processes are below, as a path inside each hierarchy.
    pub(crate) fn cgroup(&self) -> String {
        format!("shoal-{}", self.name)
    }
}

/// A node's name, counted from 1. Alike in all clusters.
pub(crate) fn node_name(node: u8) -> String {
    format!("node{node}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(index: u8) -> Layout {
        Layout {
            name: "a".to_owned(),
            index,
            folder: "/x/a".into(),
        }
    }

    #[test]
    fn pods_get_a_subnet_of_a_thousand_that_holds_no_node() {
        let last = layout(MAX_CLUSTERS - 1);
        assert_eq!(last.network(), "10.95.0.0/16");
        assert_eq!(last.pod_subnet(1), "10.95.4.0/22");
        assert_eq!(last.pod_subnet(MAX_NODES), "10.95.64.0/22");
        assert_eq!(last.node_ip(MAX_NODES), Ipv4Addr::new(10, 95, 0, 26));
        assert!(last.host_link().len() <= 15);
    }

    #[test]
    fn a_name_that_sockets_or_paths_cannot_bear_is_refused() {
        assert!(folder(Path::new("/var/lib/shoal-clusters"), "bench-2").is_ok());
        for (root, name) in [
            ("/r", ""),
            ("/r", "../a"),
            ("/r", "A"),
            ("/r", "-a"),
            ("r", "a"),
            ("/r", &"a".repeat(50)),
        ] {
            assert!(folder(Path::new(root), name).is_err(), "{root}/{name}");
        }
    }
}
