//! A namespace of Kubernetes for one test, gone with it.

use crate::lock::{Shared, shared};
use crate::{cluster, http};
use serde_json::{Value, json};
use shoal_cluster::{LocalNode, Node};
use shoal_conformance::redis::Redis;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take before the test gives up. Never a measure of how fast something is.
const PATIENCE: Duration = Duration::from_secs(120);

/// A namespace.
pub struct Space {
    /// Its name.
    pub name: String,
    /// Given back after the namespace's deletion was asked for.
    _shared: Shared<'static>,
}

impl Space {
    /// A new one, whose name begins with `purpose`. Waits while another test has the cluster for itself.
    pub fn new(purpose: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let space = Self {
            name: format!("{purpose}-{}-{number}", std::process::id()),
            _shared: shared(),
        };
        space.kubectl(&["create", "namespace", &space.name]);
        space
    }

    /// Runs kubectl in this namespace; fails where it fails.
    pub fn kubectl(&self, args: &[&str]) -> String {
        self.try_kubectl(args).unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Runs kubectl in this namespace.
    ///
    /// # Errors
    ///
    /// What it says.
    pub fn try_kubectl(&self, args: &[&str]) -> Result<String, String> {
        let args = [&["-n", &self.name], args].concat();
        cluster().kubectl.run(&args).map_err(|error| format!("{error:#}"))
    }

    /// Applies an object.
    pub fn apply(&self, object: &Value) {
        let mut object = object.clone();
        object["metadata"]["namespace"] = json!(self.name);
        cluster()
            .kubectl
            .apply(&object)
            .unwrap_or_else(|error| panic!("{error:#}"));
    }

    /// One object, as JSON.
    pub fn get(&self, kind: &str, name: &str) -> Value {
        self.list(&[kind, name])
    }

    /// `kubectl get … -o json`.
    pub fn list(&self, what: &[&str]) -> Value {
        let args = [&["-n", &self.name], what].concat();
        cluster()
            .kubectl
            .get(&args)
            .unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Waits until an object is as `question` wants it, and returns what that returned. Fails with the object's last state.
    pub fn until<T>(&self, kind: &str, name: &str, mut question: impl FnMut(&Value) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            let object = self.list(&[kind, name]);
            if let Some(answer) = question(&object) {
                return answer;
            }
            if began.elapsed() > PATIENCE {
                let events = self.events(name);
                panic!(
                    "{kind} {name}: not within {PATIENCE:?}: {:#}\n{events}",
                    object["status"]
                );
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until a pod is ready; its address.
    pub fn ready(&self, pod: &str) -> SocketAddr {
        self.until("pod", pod, |object| {
            let conditions = object["status"]["conditions"].as_array()?;
            let ready = conditions
                .iter()
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
            let ip = object["status"]["podIP"].as_str()?;
            ready.then(|| SocketAddr::new(ip.parse().unwrap(), 80))
        })
    }

    /// Waits until the first container of a pod has ended; its `terminated` state.
    pub fn terminated(&self, pod: &str) -> Value {
        self.until("pod", pod, |object| {
            let container = object["status"]["containerStatuses"].get(0)?;
            let ended = [
                &container["state"]["terminated"],
                &container["lastState"]["terminated"],
            ];
            ended.into_iter().find(|state| state.is_object()).cloned()
        })
    }

    /// What the events of an object say, a line each.
    pub fn events(&self, name: &str) -> String {
        let selector = format!("involvedObject.name={name}");
        let events = self.list(&["events", "--field-selector", &selector]);
        let events = events["items"].as_array().cloned().unwrap_or_default();
        let line = |event: &Value| {
            format!(
                "{}: {}\n",
                event["reason"].as_str().unwrap_or(""),
                event["message"].as_str().unwrap_or("")
            )
        };
        events.iter().map(line).collect()
    }

    /// Waits for an event of an object that holds these words; the event.
    pub fn event(&self, name: &str, words: &[&str]) -> String {
        until(&format!("an event of {name} with {words:?}"), || {
            let events = self.events(name);
            let found = events
                .lines()
                .find(|line| words.iter().all(|word| line.contains(word)));
            match found {
                Some(line) => Ok(line.to_owned()),
                None => Err(events.clone()),
            }
        })
    }

    /// Runs a command in the client pod `pod`.
    pub fn exec(&self, pod: &str, command: &[&str]) -> Result<String, String> {
        self.try_kubectl(&[&["exec", pod, "--"], command].concat())
    }

    /// The node that a pod runs on.
    pub fn node_of(&self, pod: &str) -> &'static Node {
        let object = self.get("pod", pod);
        let name = object["spec"]["nodeName"].as_str().expect("a scheduled pod");
        let found = cluster().nodes.iter().find(|node| node.name == name);
        found.expect("a node of the cluster")
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let args = [
            "delete",
            "namespace",
            &self.name,
            "--wait=false",
            "--grace-period=0",
        ];
        // The test's own failure, if it has one, is the one to see.
        let _ = cluster().kubectl.run(&args);
    }
}

/// Asks again and again until there is an answer; fails with the last reason why there is none.
pub fn until<T>(what: &str, mut question: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match question() {
            Ok(answer) => return answer,
            Err(reason) if began.elapsed() > PATIENCE => panic!("{what}: not within {PATIENCE:?}: {reason}"),
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// Runs `ask` in the network of a node, from where pods can be reached.
pub fn on_a_node<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> T {
    let asking = std::thread::spawn(move || {
        http::enter(&local(&cluster().nodes[0]).netns);
        ask()
    });
    asking.join().expect("the thread in the node's network")
}

/// A Redis in the network of the cluster's first node, where all pods reach it.
pub fn redis() -> Redis {
    let node = &cluster().nodes[0];
    let object = cluster().kubectl.get(&["node", &node.name]);
    let object = object.unwrap_or_else(|error| panic!("{error:#}"));
    let addresses = object["status"]["addresses"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let internal = addresses.iter().find(|it| it["type"] == "InternalIP");
    let address = internal
        .and_then(|it| it["address"].as_str())
        .expect("the node's address");
    Redis::within(&local(node).netns, address)
}

/// The part of a node that only a cluster of `make cluster` has.
pub fn local(node: &'static Node) -> &'static LocalNode {
    node.local
        .as_ref()
        .expect("this test looks into a node: run it on a cluster of `make cluster`")
}
