//! Workers are replaced by those of another build while their pods are called, and back: nobody notices.

use serde_json::{Value, json};
use shoal_conformance::redis::Redis;
use shoal_pods::manifest::{deployment, pod};
use shoal_pods::programs::Programs;
use shoal_pods::space::{local, redis};
use shoal_pods::{Load, Space, cluster, exclusive, guests, http, node, until};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Pods of the domain that answer requests, and how many of them are called all the time.
const PODS: u32 = 50;
const CALLED: usize = 8;
/// Where a test goes to and fro more often.
const FEW: u32 = 10;
/// The build of `scripts/previous.sh`.
const PREVIOUS: &str = "previous";
/// No sender sends more messages.
const MOST: usize = 5000;

/// A pod whose component is linked to another one.
fn linked() -> Value {
    let mut object = pod("linked", &guests::image("link_web"));
    object["spec"]["initContainers"] = json!([{
        "name": "lib", "image": guests::image("link_provider"), "restartPolicy": "Always",
        "env": [{"name": "WHO", "value": "lib"}],
    }]);
    let links = "[{import: 'test:links/calls', component: lib}]";
    object["metadata"]["annotations"] = json!({"shoal.dev/links.web": links});
    object
}

fn taker(url: &str) -> Value {
    let mut object = pod("taker", &guests::image("service_worker"));
    object["metadata"]["annotations"] = json!({
        "shoal.dev/service": "taker",
        "shoal.dev/triggers": format!(
            "[{{name: jobs, component: web, redis: {{url: '{url}', streams: [{{stream: orders, retryAfter: 100ms}}]}}}}]"
        ),
        "shoal.dev/stores": format!("[{{name: seen, redis: {{url: '{url}', prefix: 'seen:'}}}}]"),
        "shoal.dev/capabilities": "keyValue: [{name: default, store: seen}]",
    });
    object
}

fn sender(url: &str) -> Value {
    let mut object = pod("sender", &guests::image("service_publisher"));
    object["metadata"]["annotations"] = json!({
        "shoal.dev/capabilities": format!("messaging: [{{channel: orders, redis: {{url: '{url}', stream: {{}}}}}}]"),
    });
    object
}

/// Sends orders by way of a pod, until told to stop; how many.
fn send(address: SocketAddr, netns: String, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<usize> {
    std::thread::spawn(move || {
        http::enter(&netns);
        for number in 0..MOST {
            if stop.load(Ordering::Relaxed) {
                return number;
            }
            let (status, said) = http::post(address, "/", &format!("orders\norder{number}")).unwrap();
            assert_eq!((status, said.trim()), (200, "sent"), "order {number}");
        }
        MOST
    })
}

/// Waits until the domain has one worker, which is not `before`.
fn replaced(space: &Space, before: i32) -> i32 {
    let domain = format!("ns-{}", space.name);
    let home = local(&cluster().nodes[0]);
    until("another worker, and no old one", || {
        let mut workers = node::workers(home);
        workers.retain(|it| it.domain == domain);
        match workers.as_slice() {
            [worker] if worker.pid != before => Ok(worker.pid),
            _ => Err(format!("{workers:?}")),
        }
    })
}

fn restarts(space: &Space) -> i64 {
    let pods = space.list(&["pods"]);
    let pods = pods["items"].as_array().unwrap().iter();
    let of = |pod: &Value| {
        let statuses = ["containerStatuses", "initContainerStatuses"].map(|it| pod["status"][it].clone());
        let statuses = statuses
            .into_iter()
            .filter_map(|it| it.as_array().cloned())
            .flatten();
        statuses
            .map(|it| it["restartCount"].as_i64().unwrap())
            .sum::<i64>()
    };
    pods.map(of).sum()
}

/// A trust domain on the first node, and all that calls it.
struct Traffic {
    space: Space,
    redis: Redis,
    loads: Vec<Load>,
    stop: Arc<AtomicBool>,
    sending: std::thread::JoinHandle<usize>,
}

impl Traffic {
    /// Starts `count` pods that answer requests, one that is linked, one that sends messages and one that takes them.
    fn begin(purpose: &str, count: u32) -> Self {
        let space = Space::new(purpose);
        let home = &cluster().nodes[0];
        let (redis, node) = (redis(), local(home));
        let url = redis.url();
        let mut many = deployment("web", &guests::image("http_hello"), count);
        many["spec"]["template"]["spec"]["nodeName"] = json!(home.name);
        space.apply(&many);
        for mut object in [linked(), taker(&url), sender(&url)] {
            object["spec"]["nodeName"] = json!(home.name);
            space.apply(&object);
        }
        let (linked, sender) = (space.ready("linked"), space.ready("sender"));
        space.ready("taker");
        space.until("deployment", "web", |it| {
            (it["status"]["readyReplicas"] == json!(count)).then_some(())
        });
        let pods = space.list(&["pods", "-l", "app=web"]);
        let pods = pods["items"].as_array().unwrap().iter().take(CALLED);
        let address =
            |pod: &Value| SocketAddr::new(pod["status"]["podIP"].as_str().unwrap().parse().unwrap(), 80);
        let mut loads: Vec<_> = pods.map(|pod| Load::start(&node.netns, address(pod))).collect();
        loads.push(Load::start_at(&node.netns, linked, "/?op=add&a=1&b=1"));
        let stop = Arc::new(AtomicBool::new(false));
        let sending = send(sender, node.netns.clone(), Arc::clone(&stop));
        Self {
            space,
            redis,
            loads,
            stop,
            sending,
        }
    }

    /// Its worker.
    fn worker(&self) -> i32 {
        let domain = format!("ns-{}", self.space.name);
        node::worker(local(&cluster().nodes[0]), &domain).unwrap()
    }

    /// Fails unless each request was answered, each message taken, and nothing restarted.
    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.sending.join().unwrap();
        for load in self.loads {
            load.stop().none_missed("a pod");
        }
        assert_eq!(restarts(&self.space), 0, "kubectl get pods shows a restart");
        let group = format!("{}/taker", self.space.name);
        until("all orders", || {
            let keys = self
                .redis
                .say(&["EVAL", "return #redis.call('KEYS', 'seen:order*')", "0"]);
            let pending = self.redis.say(&["XPENDING", "orders", &group]);
            match keys == sent.to_string() && pending.starts_with('0') {
                true => Ok(()),
                false => Err(format!("{keys} of {sent} seen; pending: {pending}")),
            }
        });
    }
}

#[test]
fn a_worker_is_upgraded_and_rolled_back_under_load_and_nobody_notices() {
    let _alone = exclusive();
    let traffic = Traffic::begin("upgrade", PODS);
    let (space, node) = (&traffic.space, local(&cluster().nodes[0]));
    let mut programs = Programs::of(node);
    programs.another("another");
    programs.broken("broken");
    let first = traffic.worker();
    // There, back, and to one that can't start.
    programs.switch(Some("another"));
    let second = replaced(space, first);
    programs.switch(None);
    let third = replaced(space, second);
    programs.switch(Some("broken"));
    until("word of it", || {
        let log = std::fs::read_to_string(node::log(node)).unwrap_or_default();
        let told = log.lines().any(|line| line.contains("workers are not upgraded"));
        told.then_some(()).ok_or_else(|| "no word".to_owned())
    });
    assert_eq!(replaced(space, second), third, "it went on");
    programs.switch(None);
    // A new pod joins the others.
    let mut late = pod("late", &guests::image("http_hello"));
    late["spec"]["nodeName"] = json!(cluster().nodes[0].name);
    space.apply(&late);
    space.ready("late");
    assert_eq!(replaced(space, second), third);
    traffic.end();
}

#[test]
fn programs_that_speak_the_version_before_are_upgraded_and_rolled_back_to() {
    let _alone = exclusive();
    let programs = Programs::of(local(&cluster().nodes[0]));
    assert!(
        programs.has(PREVIOUS),
        "the programs that speak the version before are missing: run scripts/previous.sh"
    );
    let traffic = Traffic::begin("versions", FEW);
    let mut worker = traffic.worker();
    for build in [Some(PREVIOUS), None, Some(PREVIOUS), None] {
        let protocol = match build {
            Some(_) => 1,
            None => 2,
        };
        programs.switch(build);
        worker = replaced(&traffic.space, worker);
        let record = node::workers(local(&cluster().nodes[0])).into_iter();
        let spoken: Vec<_> = record
            .filter(|it| it.pid == worker)
            .map(|it| it.protocol)
            .collect();
        assert_eq!(spoken, [protocol]);
    }
    traffic.end();
}
