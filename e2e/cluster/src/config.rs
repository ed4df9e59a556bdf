//! The configuration files of a node's programs, as text: pure functions. What the flags are and who reads the files is in `node`.

use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::{Value, json};

use crate::layout::SERVICE_DNS;

/// Where kubelet says that it is well.
pub(crate) const KUBELET_HEALTH_PORT: u16 = 10248;
/// Where kube-proxy does.
pub(crate) const PROXY_HEALTH_PORT: u16 = 10256;

/// The ways in which pods can run here: the name that runtime classes have, and how containerd does it.
const RUNTIMES: [Runtime; 5] = [
    Runtime {
        name: "runc",
        kind: "io.containerd.runc.v2",
        program: None,
        sandboxer: "podsandbox",
    },
    Runtime {
        name: "shoal",
        kind: "io.containerd.shoal.v1",
        program: Some("containerd-shim-shoal-v1"),
        sandboxer: "shim",
    },
    Runtime {
        name: "shoal-podsandbox",
        kind: "io.containerd.shoal.v1",
        program: Some("containerd-shim-shoal-v1"),
        sandboxer: "podsandbox",
    },
    // Not `null`: where a manifest of YAML forgets the quotes, that is no runtime class at all, and silently runc.
    Runtime {
        name: "null-shim",
        kind: "io.containerd.null.v1",
        program: Some("containerd-shim-null-v1"),
        sandboxer: "shim",
    },
    Runtime {
        name: "null-podsandbox",
        kind: "io.containerd.null.v1",
        program: Some("containerd-shim-null-v1"),
        sandboxer: "podsandbox",
    },
];

/// Those of a cluster: a bare one has none of ours.
pub(crate) fn runtimes(bare: bool) -> impl Iterator<Item = &'static Runtime> {
    RUNTIMES
        .iter()
        .filter(move |runtime| !bare || runtime.program.is_none())
}

/// A row of [`RUNTIMES`].
pub(crate) struct Runtime {
    pub(crate) name: &'static str,
    kind: &'static str,
    /// The shim's program where it is not containerd's own.
    program: Option<&'static str>,
    sandboxer: &'static str,
}

/// What the files of a node are made of.
pub(crate) struct Facts<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) node: &'a str,
    /// The node's folder.
    pub(crate) folder: &'a Path,
    pub(crate) address: Ipv4Addr,
    pub(crate) pod_subnet: &'a str,
    pub(crate) registry: &'a str,
    /// Where the plugins for pods' networks are.
    pub(crate) plugins: &'a Path,
    /// Where the shims are.
    pub(crate) shims: &'a Path,
    /// Whether this user may lower a process's `oom_score_adj` (CAP_SYS_RESOURCE).
    pub(crate) may_adjust_oom_score: bool,
    pub(crate) cgroup: &'a str,
    pub(crate) pki: &'a crate::pki::Pki,
    pub(crate) max_pods: u16,
    pub(crate) stats_from_cri: bool,
    /// Whether the shims are left out.
    pub(crate) bare: bool,
    /// Where containerd listens.
    pub(crate) socket: &'a Path,
}

impl Facts<'_> {
    /// containerd's configuration.
    pub(crate) fn containerd(&self) -> String {
        let path = |name: &str| toml_string(&self.folder.join(name).to_string_lossy());
        let mut text = format!(
            "version = 3\n\
             {imports}\
             root = {root}\n\
             state = {state}\n\
             [grpc]\n\
             address = {socket}\n\
             [plugins.'io.containerd.internal.v1.opt']\n\
             path = {opt}\n\
             [plugins.'io.containerd.nri.v1.nri']\n\
             disable = true\n\
             [plugins.'io.containerd.cri.v1.images'.pinned_images]\n\
             sandbox = {pause}\n\
             [plugins.'io.containerd.cri.v1.images'.registry]\n\
             config_path = {registries}\n\
             [plugins.'io.containerd.cri.v1.runtime']\n\
             restrict_oom_score_adj = {restrict}\n\
             netns_mounts_under_state_dir = true\n\
             [plugins.'io.containerd.cri.v1.runtime'.cni]\n\
             bin_dirs = [{plugins}]\n\
             conf_dir = {networks}\n\
             [plugins.'io.containerd.cri.v1.runtime'.containerd]\n\
             default_runtime_name = 'runc'\n",
            // Whoever puts a shim onto a bare node finds a folder for it.
            imports = match self.bare {
                true => "imports = ['/etc/containerd/conf.d/*.toml']\n",
                false => "",
            },
            root = path("containerd"),
            state = path("containerd-state"),
            socket = toml_string(&self.socket.to_string_lossy()),
            opt = path("opt"),
            pause = toml_string(&format!("{}/pause:1", self.registry)),
            registries = path("registries"),
            restrict = !self.may_adjust_oom_score,
            plugins = toml_string(&self.plugins.to_string_lossy()),
            networks = path("networks"),
        );
        for runtime in runtimes(self.bare) {
            let table = format!(
                "plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.{}",
                runtime.name
            );
            text += &format!(
                "[{table}]\nruntime_type = {}\nsandboxer = {}\n",
                toml_string(runtime.kind),
                toml_string(runtime.sandboxer)
            );
            match runtime.program {
                Some(program) => {
                    let program = toml_string(&self.shims.join(program).to_string_lossy());
                    text += &format!(
                        "runtime_path = {program}\npod_annotations = ['shoal.dev/*']\n\
                         container_annotations = ['shoal.dev/*', 'io.kubernetes.container.*']\n"
                    );
                }
                None => text += &format!("[{table}.options]\nRoot = {}\n", path("runc")),
            }
        }
        text
    }

    /// The registry, which has no TLS, as containerd reads it from `registries/ADDRESS/hosts.toml`.
    pub(crate) fn registry_hosts(&self) -> String {
        let server = toml_string(&format!("http://{}", self.registry));
        format!("server = {server}\n[host.{server}]\ncapabilities = ['pull', 'resolve']\n")
    }

    /// How pods get their network: a pair of links for each, and no bridge, since replies of a pod on the same bridge would pass
    /// kube-proxy by on kernels without `br_netfilter`.
    pub(crate) fn network(&self) -> String {
        json!({
            "cniVersion": "1.0.0",
            "name": format!("shoal-{}-{}", self.cluster, self.node),
            "plugins": [
                {"type": "ptp", "ipMasq": false, "ipam": {
                    "type": "host-local",
                    "dataDir": self.folder.join("addresses"),
                    "ranges": [[{"subnet": self.pod_subnet}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                }},
                {"type": "portmap", "backend": "nftables", "capabilities": {"portMappings": true}},
            ],
        })
        .to_string()
    }

    /// kubelet's configuration.
    pub(crate) fn kubelet(&self) -> String {
        let gates = match self.stats_from_cri {
            true => json!({"PodAndContainerStatsFromCRI": true}),
            false => json!({}),
        };
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": false},
                "webhook": {"enabled": true},
                "x509": {"clientCAFile": self.pki.cert("ca")},
            },
            "authorization": {"mode": "Webhook"},
            // Not loopback: `up` asks from outside of the node's namespace.
            "healthzBindAddress": self.address,
            "healthzPort": KUBELET_HEALTH_PORT,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": format!("/{}", self.cgroup),
            "enforceNodeAllocatable": [],
            "failCgroupV1": false,
            "failSwapOn": false,
            "containerRuntimeEndpoint": format!("unix://{}", self.socket.display()),
            "clusterDomain": "cluster.local",
            "clusterDNS": [SERVICE_DNS],
            "resolvConf": self.folder.join("resolv.conf"),
            // kube-proxy needs none of kubelet's chains, and this machine may have no iptables.
            "makeIPTablesUtilChains": false,
            "maxPods": self.max_pods,
            // A test machine is often nearly full.
            "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "100Mi"},
            "imageGCHighThresholdPercent": 100,
            "tlsCertFile": self.pki.cert(self.node),
            "tlsPrivateKeyFile": self.pki.key(self.node),
            "podLogsDir": self.folder.join("pod-logs"),
            "volumePluginDir": self.folder.join("volume-plugins"),
            "serializeImagePulls": false,
            "featureGates": gates,
        })
        .to_string()
    }

    /// kube-proxy's configuration.
    pub(crate) fn proxy(&self, network: &str) -> String {
        json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": self.pki.kubeconfig("proxy")},
            "hostnameOverride": self.node,
            "clusterCIDR": network,
            "mode": "nftables",
            "healthzBindAddress": format!("{}:{PROXY_HEALTH_PORT}", self.address),
            // The table of connections is the machine's; a network namespace may not change its size.
            "conntrack": {"maxPerCore": 0, "min": 0},
        })
        .to_string()
    }
}

/// A literal string of TOML where that can hold it, else a basic one, which JSON's is as well.
fn toml_string(text: &str) -> String {
    match text.contains('\'') || text.contains(char::is_control) {
        true => Value::from(text).to_string(),
        false => format!("'{text}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use crate::pki::Pki;

    #[test]
    fn each_runtime_says_who_makes_sandboxes_and_which_program_is_the_shim() {
        let layout = Layout {
            name: "a".to_owned(),
            index: 0,
            folder: "/x/a".into(),
        };
        let facts = Facts {
            cluster: "a",
            node: "node1",
            folder: Path::new("/x/a/node1"),
            address: layout.node_ip(1),
            pod_subnet: &layout.pod_subnet(1),
            registry: &layout.registry(),
            plugins: Path::new("/p"),
            shims: Path::new("/it's"),
            may_adjust_oom_score: false,
            cgroup: "shoal-a/node1",
            pki: &Pki::of(&layout),
            max_pods: 600,
            stats_from_cri: true,
            bare: false,
            socket: Path::new("/x/a/node1/containerd.sock"),
        };
        let text = facts.containerd();
        let shoal = "runtimes.shoal]\nruntime_type = 'io.containerd.shoal.v1'\nsandboxer = 'shim'\n\
                     runtime_path = \"/it's/containerd-shim-shoal-v1\"\n";
        assert!(text.contains(shoal), "{text}");
        assert!(
            text.contains("runtimes.runc.options]\nRoot = '/x/a/node1/runc'\n"),
            "{text}"
        );
        assert!(text.contains("restrict_oom_score_adj = true"), "{text}");
        let bare = Facts { bare: true, ..facts };
        assert!(!bare.containerd().contains("shoal.v1"));
        let kubelet: Value = serde_json::from_str(&facts.kubelet()).unwrap();
        assert_eq!(kubelet["cgroupRoot"], "/shoal-a/node1");
        assert_eq!(kubelet["featureGates"]["PodAndContainerStatsFromCRI"], true);
    }
}
