//! Which kind of node this is, and where each kind keeps what containerd reads. Pure: it is told what lies on the node.

use std::path::{Path, PathBuf};

/// Who has configured containerd, and hence where to say something to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// containerd by itself, with a file that whoever set up the node wrote.
    Plain,
    /// k3s writes containerd's file at each start, from a template.
    K3s,
    /// As k3s does, in another folder.
    Rke2,
    /// k0s writes the file and merges what lies in a folder.
    K0s,
    /// A snap, which writes the file from a template.
    Microk8s,
}

/// Where a distribution has its things.
struct Place {
    distribution: Distribution,
    socket: &'static str,
    /// The file that containerd loads. By it k3s and rke2, which share a socket, are told apart.
    config: &'static str,
    /// Units of systemd that have containerd in them, the likeliest first.
    units: &'static [&'static str],
}

/// The first whose socket and file are there is taken: beside k3s there may be another containerd, of Docker.
const PLACES: [Place; 5] = [
    Place {
        distribution: Distribution::K3s,
        socket: "/run/k3s/containerd/containerd.sock",
        config: "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
        units: &["k3s.service", "k3s-agent.service"],
    },
    Place {
        distribution: Distribution::Rke2,
        socket: "/run/k3s/containerd/containerd.sock",
        config: "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
        units: &["rke2-server.service", "rke2-agent.service"],
    },
    Place {
        distribution: Distribution::K0s,
        socket: "/run/k0s/containerd.sock",
        config: "/etc/k0s/containerd.toml",
        units: &["k0sworker.service", "k0scontroller.service"],
    },
    Place {
        distribution: Distribution::Microk8s,
        socket: "/var/snap/microk8s/common/run/containerd.sock",
        config: "/var/snap/microk8s/current/args/containerd.toml",
        units: &["snap.microk8s.daemon-containerd.service"],
    },
    Place {
        distribution: Distribution::Plain,
        socket: "/run/containerd/containerd.sock",
        config: "/etc/containerd/config.toml",
        units: &["containerd.service"],
    },
];

/// A containerd of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose it is.
    pub distribution: Distribution,
    /// Where it listens.
    pub socket: PathBuf,
}

/// The containerd that kubelet talks to. `exists` says whether a path is there; `socket` is what the user said.
pub fn find(socket: Option<&Path>, exists: impl Fn(&Path) -> bool) -> Option<Found> {
    let of = |place: &Place| Found {
        distribution: place.distribution,
        socket: place.socket.into(),
    };
    if let Some(socket) = socket {
        let known = PLACES
            .iter()
            .find(|place| Path::new(place.socket) == socket && exists(Path::new(place.config)));
        return Some(known.map_or_else(
            || Found {
                distribution: Distribution::Plain,
                socket: socket.to_owned(),
            },
            of,
        ));
    }
    // A containerd without a file of its own runs with what is built into it.
    let there = |place: &&Place| {
        exists(Path::new(place.socket))
            && (place.distribution == Distribution::Plain || exists(Path::new(place.config)))
    };
    PLACES.iter().find(there).map(of)
}

impl Distribution {
    fn place(self) -> &'static Place {
        let [.., plain] = &PLACES;
        PLACES
            .iter()
            .find(|place| place.distribution == self)
            .unwrap_or(plain)
    }

    /// The file that containerd loads where its command line does not say.
    pub fn config(self) -> &'static Path {
        Path::new(self.place().config)
    }

    /// Units that may have containerd in them.
    pub fn units(self) -> &'static [&'static str] {
        self.place().units
    }
}

/// Why a node can't be changed by us, from its /etc/os-release. None where it can.
pub fn refusal(os_release: &str) -> Option<&'static str> {
    let value = |line: &str| {
        Some(
            line.strip_prefix("ID=")?
                .trim()
                .trim_matches(['"', '\''])
                .to_owned(),
        )
    };
    match &*os_release.lines().find_map(value)? {
        "talos" => Some(
            "Talos Linux takes system extensions alone: build the shim into the node's image, and give containerd's part by \
             machine.files in the machine configuration",
        ),
        "bottlerocket" => {
            Some("Bottlerocket's root is verified and read-only: build a variant of it with the shim in it")
        }
        "cos" => Some(
            "Container-Optimized OS lets no program run from where it can be written: use a node pool with the Ubuntu image",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[&str]) -> Option<Distribution> {
        let exists = |path: &Path| paths.iter().any(|there| Path::new(there) == path);
        find(None, exists).map(|found| found.distribution)
    }

    #[test]
    fn distributions_that_share_a_socket_are_told_apart_by_their_file() {
        let socket = "/run/k3s/containerd/containerd.sock";
        let rke2 = "/var/lib/rancher/rke2/agent/etc/containerd/config.toml";
        assert_eq!(found(&[socket, rke2]), Some(Distribution::Rke2));
        let k3s = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml";
        let docker = "/run/containerd/containerd.sock";
        assert_eq!(found(&[docker, socket, k3s]), Some(Distribution::K3s));
        // What is left of a k3s that does not run.
        assert_eq!(found(&[docker, k3s]), Some(Distribution::Plain));
        assert_eq!(found(&[k3s]), None);
    }

    #[test]
    fn a_socket_that_was_named_is_taken() {
        let somewhere = Path::new("/x/containerd.sock");
        let said = find(Some(somewhere), |_| false).expect("what was said");
        assert_eq!(
            (said.distribution, &*said.socket),
            (Distribution::Plain, somewhere)
        );
        let k0s = find(Some(Path::new("/run/k0s/containerd.sock")), |_| true).expect("known");
        assert_eq!(k0s.distribution, Distribution::K0s);
    }

    #[test]
    fn systems_that_cannot_be_changed_are_known_by_their_id() {
        assert!(refusal("NAME=Talos\nID=talos\n").is_some_and(|why| why.contains("Talos")));
        assert!(refusal("ID=\"bottlerocket\"\n").is_some());
        assert!(refusal("ID=cos\nID_LIKE=x\n").is_some());
        assert_eq!(refusal("PRETTY_NAME=\"a cos lettuce\"\nID=debian\n"), None);
        assert_eq!(refusal(""), None);
    }
}
