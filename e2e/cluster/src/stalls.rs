//! What may stall a node, brought about on purpose: a file system that never answers, a worker that the kernel holds because of it, an
//! address that drops packets, a name server that is silent. Pods of one namespace use them until it is dropped.

use crate::{Cluster, LocalNode, Node};
use anyhow::{Context, ensure};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use serde_json::{Value, json};
use shoal_silent_fs::{Answers, SilentFs};
use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Connections that wait at once, and names.
const CONNECTS: usize = 300;
const LOOKUPS: usize = 1000;
/// Addresses for documentation (RFC 5737), which the node drops packets to.
const DROPPED: &str = "192.0.2.0/24";
const SERVER: &str = "192.0.2.1";
const NAME_SERVER: &str = "192.0.2.53";
/// When what waits is asked for anew.
const ROUND: Duration = Duration::from_secs(10);
/// No load goes on for longer.
const LONGEST: Duration = Duration::from_secs(600);
/// How long a pod may take to come or to go.
const PATIENCE: Duration = Duration::from_secs(180);

/// The images of the guests `http_files` and `http_outbound`.
#[derive(Clone, Debug)]
pub struct Images {
    /// Opens files in directories.
    pub files: String,
    /// Sends a request to `?url=`.
    pub outbound: String,
}

/// Stalls at work, until this is dropped. The namespaces are the caller's to remove.
pub struct Stalls {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    /// The last to go: what it holds is let go then.
    mounted: Mounted,
    netns: String,
}

impl Stalls {
    /// Starts pods on `node` that hang, in `namespace`; and one in the namespace `held`, whose worker is killed and does not end.
    ///
    /// # Errors
    ///
    /// Where any of it can't be brought about.
    pub fn start(
        cluster: &Cluster,
        node: &Node,
        (namespace, held): (&str, &str),
        images: &Images,
    ) -> anyhow::Result<Self> {
        let local = node.local.as_ref().context("a node of `make cluster`")?;
        let mut stalls = Self {
            stop: Arc::default(),
            threads: Vec::new(),
            mounted: Mounted::new(local)?,
            netns: local.netns.clone(),
        };
        stalls.drop_packets()?;
        let place = Place {
            cluster,
            node: &node.name,
        };
        let folder = stalls.mounted.folder.clone();
        place.apply(held, hanging("hangs", &images.files, &folder))?;
        stalls.mounted.until_asked(1)?;
        place.delete(held, "hangs")?;
        place.apply(namespace, hanging("hangs", &images.files, &folder))?;
        let already = stalls.mounted.asked.load(Ordering::Relaxed);
        place.apply(namespace, connecting("connects", &images.outbound))?;
        place.apply(namespace, resolving("resolves", &images.outbound))?;
        let connects = place.ready(namespace, "connects")?;
        let resolves = place.ready(namespace, "resolves")?;
        stalls.mounted.until_asked(already + 1)?;
        stalls.load(connects, CONNECTS, |_| format!("http://{SERVER}/"))?;
        stalls.load(resolves, LOOKUPS, |number| {
            format!("http://n{number}.silent.example/")
        })?;
        Ok(stalls)
    }

    /// How many requests wait for the file system.
    pub fn asked(&self) -> usize {
        self.mounted.asked.load(Ordering::Relaxed)
    }

    fn nft(&self, rules: &str) -> anyhow::Result<()> {
        let netns = format!("--net=/var/run/netns/{}", self.netns);
        let ran = Command::new("nsenter").args([&netns, "nft", rules]).output()?;
        ensure!(
            ran.status.success(),
            "nft {rules}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
        Ok(())
    }

    fn drop_packets(&self) -> anyhow::Result<()> {
        self.nft("add table inet stalls")?;
        // Before anything asks for a route, which there may be none of.
        self.nft("add chain inet stalls before { type filter hook prerouting priority -300; }")?;
        self.nft(&format!("add rule inet stalls before ip daddr {DROPPED} drop"))
    }

    /// Keeps `count` requests open at the pod at `address`, each for another URL.
    fn load(
        &mut self,
        address: SocketAddr,
        count: usize,
        url: impl Fn(usize) -> String + Send + 'static,
    ) -> anyhow::Result<()> {
        let namespace = File::open(format!("/var/run/netns/{}", self.netns))?;
        let stop = Arc::clone(&self.stop);
        let (began, begins) = mpsc::channel();
        self.threads.push(std::thread::spawn(move || {
            let kind = Some(LinkNameSpaceType::Network);
            if move_into_link_name_space(namespace.as_fd(), kind).is_err() {
                return;
            }
            let (start, mut round) = (Instant::now(), 0);
            while !stop.load(Ordering::Relaxed) && start.elapsed() < LONGEST {
                let open: Vec<_> = (0..count)
                    .filter_map(|number| ask(address, &url(round * count + number)).ok())
                    .collect();
                let _ = began.send(open.len());
                let next = Instant::now() + ROUND;
                while Instant::now() < next && !stop.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(50));
                }
                round += 1;
            }
        }));
        let open = begins.recv_timeout(PATIENCE).context("the load does not begin")?;
        ensure!(open == count, "only {open} of {count} requests could be sent");
        Ok(())
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        let _ = self.nft("delete table inet stalls");
    }
}

fn ask(address: SocketAddr, url: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, ROUND)?;
    write!(stream, "GET /?url={url} HTTP/1.1\r\nhost: {address}\r\n\r\n")?;
    Ok(stream)
}

/// The silent file system, in the mount namespace of a node, and the thread that is there.
struct Mounted {
    folder: PathBuf,
    asked: Arc<AtomicUsize>,
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Mounted {
    fn new(node: &LocalNode) -> anyhow::Result<Self> {
        let folder = node.folder.join(format!("silent-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let namespace = File::open(format!("/proc/{}/ns/mnt", node.pid("holder")?))?;
        let (made, mounts) = mpsc::channel();
        let (end, ends) = mpsc::channel::<()>();
        let path = folder.clone();
        let thread = std::thread::spawn(move || {
            let mounted = enter(&namespace)
                .map_err(anyhow::Error::from)
                .and_then(|()| Ok(SilentFs::mount(&path, Answers::Root)?));
            match mounted {
                Ok(silent) => {
                    let _ = made.send(Ok(silent.counter()));
                    // Ends with the other side.
                    let _ = ends.recv();
                }
                Err(error) => drop(made.send(Err(error))),
            }
        });
        let asked = mounts
            .recv()
            .context("the thread in the node's mount namespace")??;
        Ok(Self {
            folder,
            asked,
            end: Some(end),
            thread: Some(thread),
        })
    }

    fn until_asked(&self, times: usize) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.asked.load(Ordering::Relaxed) < times {
            ensure!(
                began.elapsed() < PATIENCE,
                "no pod asks the file system for anything"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// Moves this thread into a mount namespace.
#[allow(
    unsafe_code,
    reason = "rustix has unshare as unsafe, for what it may do to descriptors"
)]
fn enter(namespace: &File) -> rustix::io::Result<()> {
    // SAFETY: the working directory, the root and the umask alone become the thread's own, which setns(2) wants; descriptors stay shared.
    unsafe { unshare_unsafe(UnshareFlags::FS) }?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))
}

/// Where pods are started.
struct Place<'a> {
    cluster: &'a Cluster,
    node: &'a str,
}

impl Place<'_> {
    fn apply(&self, namespace: &str, mut pod: Value) -> anyhow::Result<()> {
        pod["metadata"]["namespace"] = json!(namespace);
        pod["spec"]["nodeName"] = json!(self.node);
        self.cluster.kubectl.apply(&pod)
    }

    fn delete(&self, namespace: &str, name: &str) -> anyhow::Result<()> {
        let timeout = format!("--timeout={}s", PATIENCE.as_secs());
        let args = [
            "-n",
            namespace,
            "delete",
            "pod",
            name,
            "--grace-period=1",
            &timeout,
        ];
        self.cluster.kubectl.run(&args)?;
        Ok(())
    }

    /// The address of a pod, once it is ready.
    fn ready(&self, namespace: &str, name: &str) -> anyhow::Result<SocketAddr> {
        let timeout = format!("--timeout={}s", PATIENCE.as_secs());
        let pod = format!("pod/{name}");
        let args = ["-n", namespace, "wait", "--for=condition=Ready", &pod, &timeout];
        self.cluster.kubectl.run(&args)?;
        let object = self.cluster.kubectl.get(&["-n", namespace, "pod", name])?;
        let ip = object["status"]["podIP"]
            .as_str()
            .context("the pod has no address")?;
        Ok(SocketAddr::new(ip.parse()?, 80))
    }
}

fn pod(name: &str, image: &str, annotations: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "runtimeClassName": "shoal", "automountServiceAccountToken": false, "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "web", "image": image, "ports": [{"name": "http", "containerPort": 80}]}],
        },
    })
}

/// A pod with a directory on the silent file system.
fn hanging(name: &str, image: &str, folder: &Path) -> Value {
    let grant = "filesystem: [{volume: data, mountPath: /data, readOnly: true}]";
    let mut pod = pod(name, image, json!({"shoal.dev/capabilities": grant}));
    pod["spec"]["volumes"] = json!([{"name": "data", "hostPath": {"path": folder}}]);
    pod["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "data", "mountPath": "/shoal/volumes/data", "readOnly": true}]);
    pod
}

/// Enough for all that wait at once, for longer than they are waited for.
const LIMITS: &str = "{concurrency: 300, queueLength: 1000, requestTimeout: 60s, outboundConnections: 16}";

/// A pod that may connect to the address that drops packets.
fn connecting(name: &str, image: &str) -> Value {
    let grant = format!("network: {{outbound: [{{host: {SERVER}, ports: [80]}}]}}");
    pod(
        name,
        image,
        json!({"shoal.dev/capabilities": grant, "shoal.dev/limits": LIMITS}),
    )
}

/// A pod whose name server is silent.
fn resolving(name: &str, image: &str) -> Value {
    let grant = "network: {outbound: [{host: '*.silent.example', ports: [80]}]}";
    let mut pod = pod(
        name,
        image,
        json!({"shoal.dev/capabilities": grant, "shoal.dev/limits": LIMITS}),
    );
    pod["spec"]["dnsPolicy"] = json!("None");
    pod["spec"]["dnsConfig"] = json!({"nameservers": [NAME_SERVER]});
    pod
}
