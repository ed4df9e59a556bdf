//! A node's programs: containerd, kubelet and kube-proxy, in namespaces of their own. How they are run; their configuration files are
//! in `config`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cgroup::Hierarchies;
use crate::claim::Record;
use crate::component::{Component, Process};
use crate::config::Facts;
use crate::control::flag;
use crate::layout::{Layout, node_name};
use crate::network::netns_file;
use crate::pki::Pki;
use crate::toolset::Programs;

/// How many pods kubelet takes unless it was said otherwise. Its own limit is 110.
const MAX_PODS: u16 = 600;

/// Folders that programs of a node insist on, and where the node has them: no two nodes can share them, and what else runs on this
/// machine may use them.
const PRIVATE: [(&str, &str); 4] = [
    // kubelet's socket for device plugins.
    ("/var/lib/kubelet", "var-lib-kubelet"),
    // kubelet's links to logs.
    ("/var/log/containers", "var-log-containers"),
    // What CNI remembers of pods.
    ("/var/lib/cni", "var-lib-cni"),
    // Sockets of containerd's shims.
    ("/run/containerd", "run-containerd"),
];

/// More of them on a bare node: where a shim is put, and what decides whether containerd knows it.
const PRIVATE_BARE: [(&str, &str); 5] = [
    ("/etc/containerd", "etc-containerd"),
    ("/opt/shoal", "opt-shoal"),
    ("/usr/local/bin", "usr-local-bin"),
    ("/var/lib/shoal", "shoal"),
    ("/run/shoal", "shoal-run"),
];

/// On a bare node: ends containerd, which is then started again, with the mounts of the node.
pub(crate) const RESTART: &str = "kill $(cat /run/containerd/containerd.pid) || true";
/// Runs containerd, again and again.
const SUPERVISOR: &str = "trap 'kill $child; wait $child; exit' TERM\n\
    while :; do \"$@\" & child=$!; echo $child >/run/containerd/containerd.pid; wait $child; sleep 0.2; done";

/// kubelet's working directory, as a rule `/`: of a container without a log it removes all files there
/// (`containerLogManager.Clean`), which has cost a machine its `/bin`.
const WORKING_FOLDER: &str = "kubelet-works-here";
/// What it would remove.
const WITNESS: &str = "witness";

fn private(bare: bool) -> impl Iterator<Item = (&'static str, &'static str)> {
    let more: &[_] = if bare { &PRIVATE_BARE } else { &[] };
    PRIVATE.iter().chain(more).copied()
}

/// A node.
pub(crate) struct Node {
    pub(crate) number: u8,
    pub(crate) holder: Component,
    folder: PathBuf,
    bare: bool,
}

/// The programs of a node, which need its namespaces.
pub(crate) struct Daemons {
    pub(crate) containerd: Component,
    pub(crate) kubelet: Component,
    pub(crate) proxy: Component,
}

/// The cgroup that kubelet puts pods below.
pub(crate) fn pods_cgroup(layout: &Layout, node: u8) -> String {
    format!("{}/{}", layout.cgroup(), node_name(node))
}

/// The cgroup of a node's programs, beside that of its pods.
pub(crate) fn system_cgroup(layout: &Layout, node: u8) -> String {
    format!("{}-system", pods_cgroup(layout, node))
}

/// Those of [`PRIVATE`] that are missing on this machine and were made for the cluster.
pub(crate) fn make_mount_points(bare: bool) -> anyhow::Result<()> {
    for (folder, _) in private(bare) {
        fs::create_dir_all(folder).with_context(|| format!("{folder} can't be made"))?;
    }
    Ok(())
}

/// Removes the folders of [`PRIVATE`] that hold nothing. Only where no cluster is left: it would take them from its nodes.
pub(crate) fn remove_mount_points() {
    // Each machine has that one, empty or not.
    for (folder, _) in private(true).filter(|(folder, _)| *folder != "/usr/local/bin") {
        let _in_use = fs::remove_dir(folder);
    }
}

impl Node {
    /// A node and the process that keeps its mount namespace: daemons come and go, what they mounted stays, and all of it ends with
    /// the last process in it.
    pub(crate) fn of(
        layout: &Layout,
        number: u8,
        programs: &Programs,
        hierarchies: &Hierarchies,
        bare: bool,
    ) -> Self {
        let folder = layout.node_folder(number);
        let script = "set -e; mount --make-rshared /; while [ $# -gt 0 ]; do mount --bind \"$1\" \"$2\"; shift 2; done\n\
                      exec sleep infinity";
        let mut argv: Vec<OsString> = [
            "unshare",
            "--mount",
            "--propagation",
            "slave",
            "sh",
            "-c",
            script,
            "node",
        ]
        .map(OsString::from)
        .into();
        for (there, here) in private(bare) {
            argv.extend([folder.join(here).into_os_string(), there.into()]);
        }
        let holder = Component {
            title: format!("the holder of {}'s namespaces", node_name(number)),
            name: "holder".to_owned(),
            folder: folder.clone(),
            enter: vec![
                "nsenter".into(),
                flag("--net", &netns_file(&layout.node_netns(number))),
                "--".into(),
            ],
            cgroups: hierarchies.folders(&system_cgroup(layout, number)),
            argv,
            env: vec![("PATH", programs.path())],
            files: Vec::new(),
        };
        Self {
            number,
            holder,
            folder,
            bare,
        }
    }

    /// Makes the folders that its programs expect.
    pub(crate) fn make_folders(&self, registry: &str) -> anyhow::Result<()> {
        let own = [
            "networks",
            "kubelet",
            "pod-logs",
            "volume-plugins",
            "shoal-run",
            WORKING_FOLDER,
            "shoal",
        ];
        let registry = format!("registries/{registry}");
        let all = private(self.bare)
            .map(|(_, here)| here)
            .chain(own)
            .chain([&*registry]);
        for name in all {
            let folder = self.folder.join(name);
            fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
        }
        Ok(())
    }

    /// Whether the holder has mounted everything, which it does after its start.
    pub(crate) fn is_mounted(&self) -> Result<(), String> {
        let process = self.holder.process().ok_or("it has ended")?;
        let mounts =
            fs::read_to_string(format!("/proc/{}/mounts", process.pid)).map_err(|error| error.to_string())?;
        let mounted = |folder: &str| mounts.lines().any(|line| line.split(' ').nth(1) == Some(folder));
        match private(self.bare).find(|(folder, _)| !mounted(folder)) {
            None => Ok(()),
            Some((folder, _)) => Err(format!("{folder} is not mounted yet")),
        }
    }

    /// Its programs, in the namespaces that `holder` keeps.
    pub(crate) fn daemons(
        &self,
        layout: &Layout,
        programs: &Programs,
        hierarchies: &Hierarchies,
        record: &Record,
        holder: &Process,
    ) -> anyhow::Result<Daemons> {
        let name = node_name(self.number);
        let pki = Pki::of(layout);
        let (registry, subnet) = (layout.registry(), layout.pod_subnet(self.number));
        let cgroup = pods_cgroup(layout, self.number);
        let shims = record
            .shims
            .as_deref()
            .context("the folder of the shims is not known")?;
        let plugins = programs.find("ptp")?;
        let socket = cri_socket(&self.folder, false);
        let facts = Facts {
            cluster: &layout.name,
            node: &name,
            folder: &self.folder,
            address: layout.node_ip(self.number),
            pod_subnet: &subnet,
            registry: &registry,
            plugins: plugins.parent().context("a program lies in a folder")?,
            shims,
            may_adjust_oom_score: has_sys_resource(),
            cgroup: &cgroup,
            pki: &pki,
            max_pods: record.max_pods.unwrap_or(MAX_PODS),
            stats_from_cri: record.stats_from_cri.unwrap_or(false),
            bare: self.bare,
            socket: match self.bare {
                true => Path::new("/run/containerd/containerd.sock"),
                false => &socket,
            },
        };
        let component = |program: &str, args: Vec<OsString>, files: Vec<(PathBuf, String)>| {
            let mut argv = vec![programs.find(program)?.into_os_string()];
            argv.extend(args);
            anyhow::Ok(Component {
                title: format!("{program} of {name}"),
                name: program.to_owned(),
                folder: self.folder.clone(),
                enter: vec![
                    "nsenter".into(),
                    format!("--mount=/proc/{}/ns/mnt", holder.pid).into(),
                    flag("--net", &netns_file(&layout.node_netns(self.number))),
                    "--".into(),
                ],
                cgroups: hierarchies.folders(&system_cgroup(layout, self.number)),
                argv,
                env: vec![("PATH", programs.path())],
                files,
            })
        };
        let at = |file: &str| self.folder.join(file);
        // A bare node has its configuration where each node has it.
        let (file, config) = match self.bare {
            true => (
                at("etc-containerd/config.toml"),
                "/etc/containerd/config.toml".into(),
            ),
            false => (at("containerd.toml"), at("containerd.toml")),
        };
        let mut containerd = component(
            "containerd",
            vec!["--config".into(), config.into_os_string()],
            vec![
                (file, facts.containerd()),
                (at("networks/10-pods.conflist"), facts.network()),
                (
                    at("registries").join(&registry).join("hosts.toml"),
                    facts.registry_hosts(),
                ),
            ],
        )?;
        // Each node of this machine is one for the shim: its daemon, its state, its sockets. On a bare node they are where they are
        // on any node.
        if self.bare {
            let supervised = std::mem::take(&mut containerd.argv);
            containerd.argv = ["/bin/sh", "-c", SUPERVISOR, "containerd"]
                .map(OsString::from)
                .into();
            containerd.argv.extend(supervised);
        } else {
            // Where the shim makes the sandboxes, containerd 2.4 looks for it by name and leaves `runtime_path` aside.
            let mut path = programs.path();
            path.push(":");
            path.push(shims);
            let run = shoal_run(&self.folder).into_os_string();
            containerd.env = vec![
                ("PATH", path),
                ("SHOAL_RUN", run),
                ("SHOAL_ROOT", at("shoal").into_os_string()),
            ];
        }
        let workers = format!("{}/shoal", system_cgroup(layout, self.number));
        containerd.env.push(("SHOAL_CGROUP", workers.into()));
        let mut kubelet = component(
            "kubelet",
            vec![
                flag("--config", &at("kubelet.json")),
                flag("--kubeconfig", &pki.kubeconfig(&name)),
                flag("--root-dir", &at("kubelet")),
                flag("--cert-dir", &at("kubelet-certificates")),
                format!("--hostname-override={name}").into(),
                format!("--node-ip={}", layout.node_ip(self.number)).into(),
            ],
            vec![
                (at("kubelet.json"), facts.kubelet()),
                (at("resolv.conf"), format!("nameserver {}\n", layout.control_ip())),
                (at(WORKING_FOLDER).join(WITNESS), String::new()),
            ],
        )?;
        let arguments = std::mem::take(&mut kubelet.argv);
        kubelet.argv = vec!["env".into(), flag("--chdir", &at(WORKING_FOLDER))];
        kubelet.argv.extend(arguments);
        let proxy = component(
            "kube-proxy",
            vec![flag("--config", &at("kube-proxy.json"))],
            vec![(at("kube-proxy.json"), facts.proxy(&layout.network()))],
        )?;
        Ok(Daemons {
            containerd,
            kubelet,
            proxy,
        })
    }
}

/// Where the shim's daemon of a node has its sockets.
pub(crate) fn shoal_run(node_folder: &Path) -> PathBuf {
    node_folder.join("shoal-run")
}

/// Where a node's containerd listens, seen from outside of the node.
pub(crate) fn cri_socket(node_folder: &Path, bare: bool) -> PathBuf {
    node_folder.join(match bare {
        true => "run-containerd/containerd.sock",
        false => "containerd.sock",
    })
}

fn has_sys_resource() -> bool {
    const CAP_SYS_RESOURCE: u32 = 24;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    effective.is_some_and(|mask| mask >> CAP_SYS_RESOURCE & 1 == 1)
}
