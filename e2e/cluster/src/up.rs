//! `shoal-cluster up`: in which order a cluster comes up, and what each step waits for. Run again, it repairs: each step leaves alone
//! what is as it should be.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;
use sha2::{Digest, Sha256};
use shoal_cluster::Kubectl;

use crate::cgroup::Hierarchies;
use crate::claim::{Claim, Record};
use crate::component::{Component, write};
use crate::config::{KUBELET_HEALTH_PORT, PROXY_HEALTH_PORT};
use crate::control::{self, Control};
use crate::layout::{DEFAULT_NAME, Layout, MAX_NODES, node_name, root};
use crate::node::{self, Daemons, Node};
use crate::pki::Pki;
use crate::strays::Marks;
use crate::toolset::Programs;
use crate::{image, knobs, network, objects, wait};

/// What may be chosen about a cluster.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// What it is called; clusters of different names run side by side.
    #[arg(long, default_value = DEFAULT_NAME)]
    name: String,
    /// How many nodes; 2 unless said otherwise.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_NODES)))]
    nodes: Option<u8>,
    /// The folder of `containerd-shim-shoal-v1` and `containerd-shim-null-v1`; that of this program unless said otherwise.
    #[arg(long, value_name = "DIR")]
    shim_dir: Option<PathBuf>,
    /// How many pods kubelet takes; 600 unless said otherwise.
    #[arg(long)]
    max_pods: Option<u16>,
    /// Turn kubelet's feature gate PodAndContainerStatsFromCRI on, or off.
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    stats_from_cri: Option<bool>,
    /// Nodes without any shim of ours, each with folders of its own where one would be put, and a containerd that comes back when it
    /// ends. Only for a new cluster.
    #[arg(long)]
    bare: bool,
    /// Run metrics-server, for `kubectl top` and for autoscaling by CPU and memory.
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    metrics: Option<bool>,
}

impl Options {
    /// What was said goes into the record; what was not stays as it was said when the cluster was started or last changed.
    fn record(&self, record: &mut Record) -> anyhow::Result<()> {
        let nodes = self.nodes.unwrap_or(match record.nodes {
            0 => 2,
            nodes => nodes,
        });
        if nodes < record.nodes {
            bail!(
                "the cluster {} has {} nodes, and can't lose any while it is up: `shoal-cluster down` first",
                self.name,
                record.nodes
            );
        }
        if self.bare && record.nodes > 0 && !record.bare {
            bail!(
                "the cluster {} was not started with --bare: `shoal-cluster down` first",
                self.name
            );
        }
        record.bare |= self.bare;
        record.nodes = nodes;
        record.max_pods = self.max_pods.or(record.max_pods);
        record.stats_from_cri = self.stats_from_cri.or(record.stats_from_cri);
        record.metrics = self.metrics.or(record.metrics);
        if let Some(folder) = &self.shim_dir {
            record.shims = Some(std::path::absolute(folder).context("--shim-dir")?);
        } else if record.shims.is_none() {
            let this = std::env::current_exe()?;
            record.shims = this.parent().map(Path::to_owned);
        }
        Ok(())
    }
}

/// Brings a cluster up.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("a cluster needs root: it makes namespaces, links and cgroups");
    }
    let began = Instant::now();
    let mut claim = Claim::take(&options.name)?;
    options.record(&mut claim.record)?;
    let extra: &[&str] = match claim.record.metrics {
        Some(true) => &["metrics-server"],
        _ => &[],
    };
    let programs = Programs::ensure(extra)?;
    let nodes = claim.record.nodes;
    claim.record.programs = programs.folders().to_vec();
    claim.save()?;
    let rise = Rise {
        layout: &claim.layout,
        record: &claim.record,
        kubectl: Kubectl::new(
            programs.find("kubectl")?,
            Pki::of(&claim.layout).kubeconfig("admin"),
        ),
        programs,
        hierarchies: Hierarchies::of_this_machine()?,
        nodes,
    };
    let started = rise.all().with_context(|| {
        format!(
            "the cluster {} did not come up; `shoal-cluster up` tries again, `shoal-cluster down` removes it",
            options.name
        )
    })?;
    let (name, seconds) = (&options.name, began.elapsed().as_secs_f32());
    match started {
        0 => println!("the cluster {name} was up already, with {nodes} nodes ({seconds:.1} s)"),
        _ => println!(
            "the cluster {name} is up, with {nodes} nodes; {started} programs were started ({seconds:.1} s)"
        ),
    }
    Ok(())
}

struct Rise<'a> {
    layout: &'a Layout,
    record: &'a Record,
    kubectl: Kubectl,
    programs: Programs,
    hierarchies: Hierarchies,
    nodes: u8,
}

impl Rise<'_> {
    fn metrics(&self) -> bool {
        self.record.metrics.unwrap_or(false)
    }

    /// How many programs had to be started.
    fn all(&self) -> anyhow::Result<usize> {
        let layout = self.layout;
        if !network::has_netns(&layout.control_netns()) {
            // What still runs would not be reached any more.
            Marks::of_cluster(layout, self.nodes)?.kill(&self.hierarchies)?;
            network::remove(layout)?;
        }
        network::ensure_control(layout)?;
        Pki::of(layout).ensure(layout)?;
        self.hierarchies.ensure(&control::cgroup(layout))?;
        node::make_mount_points(self.record.bare)?;
        knobs::raise(&root())?;
        let control = Control::of(layout, &self.programs, &self.hierarchies, self.metrics())?;
        let mut started = ensure(&control.first())?;

        let registry = control::registry_address(layout);
        wait::until("the registry answers", &[&control.registry], || {
            wait::http_ok(registry, "/v2/")
        })?;
        self.once("images", &layout.registry(), || {
            image::push(&layout.registry(), &self.programs)
        })?;

        // The nodes' namespaces are made meanwhile.
        let nodes = (1..=self.nodes)
            .map(|number| self.node(number))
            .collect::<anyhow::Result<Vec<_>>>()?;
        wait::until(
            "the API server is ready",
            &[&control.apiserver, &control.etcd],
            || self.ask(&["get", "--raw", "/readyz"]).map(drop),
        )?;
        started += ensure(&control.then())?;
        let mut all_daemons = Vec::new();
        for (node, holder_started) in &nodes {
            let daemons = self.daemons(node)?;
            started += usize::from(*holder_started);
            started += ensure(&[&daemons.containerd, &daemons.proxy])?;
            all_daemons.push((node.number, daemons));
        }
        for (node, daemons) in &all_daemons {
            self.await_containerd(*node, daemons)?;
            started += ensure(&[&daemons.kubelet])?;
        }
        self.settle(&control)?;
        if let Some(metrics) = &control.metrics {
            started += ensure(&[metrics])?;
            // Without it, nothing that asks for all kinds there are gets an answer: not even the end of a namespace.
            wait::until("metrics-server answers", &[metrics], || {
                self.ask(&["get", "--raw", "/apis/metrics.k8s.io/v1beta1"])
                    .map(drop)
            })?;
        }
        for (node, daemons) in &all_daemons {
            self.await_node(*node, daemons)?;
        }
        Ok(started)
    }

    /// What a test takes for granted of any cluster: its objects, a service account, names.
    fn settle(&self, control: &Control) -> anyhow::Result<()> {
        let objects = objects::all(self.layout, self.record.bare, self.metrics());
        self.once("objects", &objects.to_string(), || {
            wait::until("objects can be applied", &[&control.apiserver], || {
                self.kubectl.apply(&objects).map_err(|error| error.to_string())
            })
        })?;
        wait::until(
            "there is a service account",
            &[&control.controllers, &control.apiserver],
            || self.ask(&["get", "serviceaccount", "default"]).map(drop),
        )?;
        let dns = control::dns_address(self.layout);
        wait::until("CoreDNS is ready", &[&control.dns], || {
            wait::http_ok(dns, "/ready")
        })?;
        control.scheduler.check()
    }

    /// A node's namespaces. Whether they had to be made.
    fn node(&self, number: u8) -> anyhow::Result<(Node, bool)> {
        let layout = self.layout;
        let node = Node::of(
            layout,
            number,
            &self.programs,
            &self.hierarchies,
            self.record.bare,
        );
        if !network::has_netns(&layout.node_netns(number)) || !node.holder.is_as_it_should_be() {
            // What still runs of the node would not be reached any more, or has mounts that new programs would not see.
            Marks::of_node(layout, number).kill(&self.hierarchies)?;
        }
        network::ensure_node(layout, number, self.nodes)?;
        for cgroup in [
            node::pods_cgroup(layout, number),
            node::system_cgroup(layout, number),
        ] {
            self.hierarchies.ensure(&cgroup)?;
        }
        node.make_folders(&layout.registry())?;
        let started = node.holder.ensure()?;
        wait::until("the node's folders are mounted", &[&node.holder], || {
            node.is_mounted()
        })?;
        Ok((node, started))
    }

    fn daemons(&self, node: &Node) -> anyhow::Result<Daemons> {
        let name = node_name(node.number);
        let holder = node
            .holder
            .process()
            .with_context(|| format!("{} was ended", node.holder.title))?;
        node.daemons(
            self.layout,
            &self.programs,
            &self.hierarchies,
            self.record,
            &holder,
        )
        .with_context(|| format!("{name} can't be configured"))
    }

    /// kubelet ends where it finds no containerd.
    fn await_containerd(&self, number: u8, daemons: &Daemons) -> anyhow::Result<()> {
        let what = format!("containerd of {} listens", node_name(number));
        let socket = node::cri_socket(&self.layout.node_folder(number), self.record.bare);
        wait::until(&what, &[&daemons.containerd], || {
            UnixStream::connect(&socket)
                .map(drop)
                .map_err(|error| error.to_string())
        })
    }

    fn await_node(&self, number: u8, daemons: &Daemons) -> anyhow::Result<()> {
        let name = node_name(number);
        let address = self.layout.node_ip(number);
        let needed = [&daemons.kubelet, &daemons.containerd];
        wait::until(&format!("kubelet of {name} is well"), &needed, || {
            wait::http_ok((address, KUBELET_HEALTH_PORT).into(), "/healthz")
        })?;
        wait::until(
            &format!("kube-proxy of {name} is well"),
            &[&daemons.proxy],
            || wait::http_ok((address, PROXY_HEALTH_PORT).into(), "/healthz"),
        )?;
        wait::until(&format!("{name} is Ready"), &needed, || {
            let node = self.ask(&["get", "node", &name, "-o", "json"])?;
            let node: Value = serde_json::from_str(&node).map_err(|error| error.to_string())?;
            let conditions = node["status"]["conditions"].as_array();
            let ready = conditions
                .into_iter()
                .flatten()
                .find(|condition| condition["type"] == "Ready");
            match ready {
                Some(ready) if ready["status"] == "True" => Ok(()),
                Some(ready) => Err(ready["message"].to_string()),
                None => Err("it has not said so yet".to_owned()),
            }
        })
    }

    /// Runs `action` unless it was run before with the same `input`.
    fn once(
        &self,
        what: &str,
        input: &str,
        action: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mark = self.layout.control_folder().join(format!("{what}.done"));
        let hash = hex::encode(Sha256::digest(input));
        if std::fs::read_to_string(&mark).is_ok_and(|done| done == hash) {
            return Ok(());
        }
        action()?;
        write(&mark, &hash)
    }

    fn ask(&self, args: &[&str]) -> Result<String, String> {
        self.kubectl.run(args).map_err(|error| error.to_string())
    }
}

fn ensure(components: &[&Component]) -> anyhow::Result<usize> {
    let mut started = 0;
    for component in components {
        started += usize::from(component.ensure()?);
    }
    Ok(started)
}
