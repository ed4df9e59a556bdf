//! Network namespaces, links and routes of a cluster, made where they are missing. Which addresses, `layout` says.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::layout::{Layout, node_name};

const BRIDGE: &str = "br0";
/// Where `ip netns` keeps namespaces by name.
const NETNS: &str = "/run/netns";

/// Makes the control plane's namespace with a bridge in it, and the link to this machine.
pub(crate) fn ensure_control(layout: &Layout) -> anyhow::Result<()> {
    let control = layout.control_netns();
    ensure_netns(&control)?;
    if !has_link(Some(&control), BRIDGE) {
        ip(&["-n", &control, "link", "add", BRIDGE, "type", "bridge"])?;
    }
    let address = format!("{}/24", layout.control_ip());
    ip(&["-n", &control, "addr", "replace", &address, "dev", BRIDGE])?;
    ip(&["-n", &control, "link", "set", BRIDGE, "up"])?;

    let host = layout.host_link();
    if !has_link(None, &host) {
        ip(&[
            "link", "add", &host, "type", "veth", "peer", "name", "host", "netns", &control,
        ])?;
    }
    ip(&["-n", &control, "link", "set", "host", "master", BRIDGE, "up"])?;
    ip(&[
        "addr",
        "replace",
        &format!("{}/24", layout.host_ip()),
        "dev",
        &host,
    ])?;
    ip(&["link", "set", &host, "up"])?;
    let gateway = layout.control_ip().to_string();
    // Goes with the link.
    ip(&[
        "route",
        "replace",
        &layout.network(),
        "via",
        &gateway,
        "dev",
        &host,
    ])
}

/// Makes a node's namespace and its link to the bridge. `nodes` is how many there are: each knows the way to the others' pods.
pub(crate) fn ensure_node(layout: &Layout, node: u8, nodes: u8) -> anyhow::Result<()> {
    let (control, netns, link) = (layout.control_netns(), layout.node_netns(node), node_name(node));
    let gateway = layout.control_ip().to_string();
    ensure_netns(&netns)?;
    if !has_link(Some(&netns), "eth0") {
        if has_link(Some(&control), &link) {
            // Its other end is in a namespace that has lost its name. The kernel may be removing it by itself.
            let _gone = ip(&["-n", &control, "link", "del", &link]);
        }
        ip(&[
            "link", "add", &link, "netns", &control, "type", "veth", "peer", "name", "eth0", "netns", &netns,
        ])?;
    }
    ip(&["-n", &control, "link", "set", &link, "master", BRIDGE, "up"])?;
    let address = format!("{}/24", layout.node_ip(node));
    ip(&["-n", &netns, "addr", "replace", &address, "dev", "eth0"])?;
    ip(&["-n", &netns, "link", "set", "eth0", "up"])?;
    ip(&["-n", &netns, "route", "replace", "default", "via", &gateway])?;
    let to_pods_of = |netns: &str, other: u8| {
        let via = layout.node_ip(other).to_string();
        ip(&[
            "-n",
            netns,
            "route",
            "replace",
            &layout.pod_subnet(other),
            "via",
            &via,
        ])
    };
    to_pods_of(&control, node)?;
    for other in (1..=nodes).filter(|other| *other != node) {
        to_pods_of(&netns, other)?;
    }
    Ok(())
}

/// Removes what the two functions above made. A link goes with the namespace of its other end.
pub(crate) fn remove(layout: &Layout) -> anyhow::Result<()> {
    for netns in netns_of(&layout.name)? {
        ip(&["netns", "del", &netns])?;
    }
    let host = layout.host_link();
    if has_link(None, &host) {
        let removed = ip(&["link", "del", &host]);
        // The kernel may have removed it meanwhile, with the namespace of its other end.
        if has_link(None, &host) {
            return removed;
        }
    }
    Ok(())
}

/// Removes the folder of named network namespaces, and the mount that `ip netns` makes of it, where there are no namespaces in it.
pub(crate) fn remove_empty_folder() {
    let folder = Path::new(NETNS);
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none()) {
        let _not_a_mount = rustix::mount::unmount(folder, rustix::mount::UnmountFlags::DETACH);
        let _in_use = std::fs::remove_dir(folder);
    }
}

/// The network namespaces of a cluster that there are, by name.
pub(crate) fn netns_of(cluster: &str) -> anyhow::Result<Vec<String>> {
    let Ok(folder) = std::fs::read_dir(NETNS) else {
        return Ok(Vec::new());
    };
    let prefix = format!("shoal-{cluster}-");
    let mut found = Vec::new();
    for entry in folder {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // `a-node1` of cluster `a`, not of a cluster `a-b`.
        let rest = name.strip_prefix(&prefix);
        let ours = |rest: &str| rest == "control" || rest.strip_prefix("node").is_some_and(is_number);
        if rest.is_some_and(ours) {
            found.push(name);
        }
    }
    Ok(found)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit())
}

/// Whether there is a network namespace of this name.
pub(crate) fn has_netns(name: &str) -> bool {
    netns_file(name).exists()
}

/// The file that stands for a network namespace.
pub(crate) fn netns_file(name: &str) -> PathBuf {
    Path::new(NETNS).join(name)
}

/// Whether anything of this machine has addresses or routes in this network.
pub(crate) fn is_used(network: &str) -> anyhow::Result<bool> {
    let addresses = output(&["-4", "-o", "addr", "show", "to", network])?;
    let routes = output(&["-4", "route", "show", "root", network])?;
    Ok(!addresses.trim().is_empty() || !routes.trim().is_empty())
}

/// Whether root's network namespace has a link of this name, or the one that is given.
pub(crate) fn has_link(netns: Option<&str>, link: &str) -> bool {
    let mut args = netns.map_or_else(Vec::new, |netns| vec!["-n", netns]);
    args.extend(["link", "show", "dev", link]);
    output(&args).is_ok()
}

fn ensure_netns(name: &str) -> anyhow::Result<()> {
    if !has_netns(name) {
        ip(&["netns", "add", name])?;
    }
    ip(&["-n", name, "link", "set", "lo", "up"])?;
    // `default` for the links that are yet to be made. Packets go over the bridge twice, so senders would be told of shorter ways.
    let script = "cd /proc/sys/net/ipv4 && echo 1 >ip_forward && for c in all default; do \
                  echo 0 >conf/$c/send_redirects; echo 0 >conf/$c/rp_filter; done";
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net={}", netns_file(name).display()))
        .args(["sh", "-ec", script]);
    run(&mut command).map(drop)
}

fn ip(args: &[&str]) -> anyhow::Result<()> {
    output(args).map(drop)
}

fn output(args: &[&str]) -> anyhow::Result<String> {
    run(Command::new("ip").args(args))
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words = words.join(" ");
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{words}: can't be run; `scripts/setup.sh cluster` says what is missing"))?;
    if !output.status.success() {
        bail!("{words}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
