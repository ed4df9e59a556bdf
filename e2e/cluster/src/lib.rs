//! What tests and benches need of a cluster, whoever made it: its API through `kubectl`, its registry, its nodes. Making one is the
//! program's part (`main.rs`).

mod kubectl;
mod push;
mod stalls;

use std::path::PathBuf;

use anyhow::{Context, bail};

pub use kubectl::Kubectl;
pub use stalls::{Images, Stalls};

/// A cluster that is up.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its API.
    pub kubectl: Kubectl,
    /// A registry that its nodes pull from in the clear, as references name it (`host:port`).
    pub registry: String,
    /// Its nodes, by name.
    pub nodes: Vec<Node>,
}

/// A node of a cluster.
#[derive(Clone, Debug)]
pub struct Node {
    /// As Kubernetes has it.
    pub name: String,
    /// What only a cluster of `make cluster` has.
    pub local: Option<LocalNode>,
}

/// A node that lies open on this machine.
#[derive(Clone, Debug)]
pub struct LocalNode {
    /// containerd's socket.
    pub cri: PathBuf,
    /// The name of its network namespace.
    pub netns: String,
    /// Where logs and process files of its programs are.
    pub folder: PathBuf,
}

impl Cluster {
    /// The cluster that the environment names: `KUBECONFIG` and `SHOAL_REGISTRY`, and for a cluster of `make cluster` the rest of
    /// what `make cluster-env` prints. Nodes that are not named are asked for.
    ///
    /// # Errors
    ///
    /// Says which variable is missing, or that the cluster does not answer.
    pub fn from_env() -> anyhow::Result<Self> {
        let needed = |variable: &str| {
            std::env::var(variable).with_context(|| {
                format!(
                    "{variable} is not set: `make cluster` and `eval \"$(make -s cluster-env)\"`, or for another cluster set \
                     KUBECONFIG and SHOAL_REGISTRY (a registry that its nodes pull from in the clear)"
                )
            })
        };
        let kubectl = Kubectl::new("kubectl", needed("KUBECONFIG")?);
        let registry = needed("SHOAL_REGISTRY")?;
        let names: Vec<String> = match std::env::var("SHOAL_NODES") {
            Ok(names) => names.split_ascii_whitespace().map(str::to_owned).collect(),
            Err(_) => {
                let names = kubectl.run(&["get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"])?;
                names.split_ascii_whitespace().map(str::to_owned).collect()
            }
        };
        if names.is_empty() {
            bail!("the cluster has no nodes");
        }
        let nodes = names.into_iter().map(Node::from_env).collect();
        Ok(Self {
            kubectl,
            registry,
            nodes,
        })
    }
}

impl Node {
    fn from_env(name: String) -> Self {
        let suffix = variable_suffix(&name);
        let of = |prefix: &str| std::env::var(format!("{prefix}_{suffix}")).ok();
        let local = of("SHOAL_CRI").zip(of("SHOAL_NETNS")).zip(of("SHOAL_NODE_DIR"));
        let local = local.map(|((cri, netns), folder)| LocalNode {
            cri: cri.into(),
            netns,
            folder: folder.into(),
        });
        Self { name, local }
    }
}

impl LocalNode {
    /// The process id of one of its programs: `containerd`, `kubelet`, `kube-proxy`, or `holder`, which keeps the node's mount
    /// namespace (`nsenter --mount=/proc/PID/ns/mnt` shows what is mounted on the node: the machine's own list does not have it).
    pub fn pid(&self, program: &str) -> anyhow::Result<i32> {
        let path = self.folder.join(format!("{program}.process"));
        let content =
            std::fs::read(&path).with_context(|| format!("{}: is the cluster up?", path.display()))?;
        let process: serde_json::Value = serde_json::from_slice(&content)?;
        let pid = process["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
        pid.with_context(|| format!("{} holds no pid", path.display()))
    }

    /// What is mounted on the node.
    pub fn mounts(&self) -> anyhow::Result<String> {
        let path = format!("/proc/{}/mounts", self.pid("holder")?);
        std::fs::read_to_string(&path).with_context(|| format!("{path} can't be read"))
    }
}

/// What a node's variables end in: `node1` → `NODE1`, `a.b-c` → `A_B_C`.
pub fn variable_suffix(node: &str) -> String {
    let letter = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    node.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nodes_name_becomes_one_that_a_shell_takes() {
        assert_eq!(variable_suffix("node1"), "NODE1");
        assert_eq!(
            variable_suffix("kind-control-plane.local"),
            "KIND_CONTROL_PLANE_LOCAL"
        );
    }
}
