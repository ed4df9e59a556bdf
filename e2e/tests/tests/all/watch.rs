//! `shoal up --watch` takes over what changes without a failed request, and keeps what runs where a change is broken.

use serde_json::{Value, json};
use shoal_e2e::binaries::guest;
use shoal_e2e::client::{empty, request};
use shoal_e2e::{Answer, Client, Shoal, Up, get, until};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// A folder with a manifest and the component that it names.
struct Project {
    folder: TempDir,
}

impl Project {
    fn new(guest_name: &str, env: &str) -> Self {
        let project = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        project.component(guest_name);
        project.manifest(env);
        project
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("shoal.yaml")
    }

    /// Replaces the component, as a compiler does.
    fn component(&self, guest_name: &str) {
        self.bytes(&std::fs::read(guest(guest_name)).unwrap());
    }

    fn bytes(&self, bytes: &[u8]) {
        let new = self.folder.path().join("app.wasm.new");
        std::fs::write(&new, bytes).unwrap();
        std::fs::rename(new, self.folder.path().join("app.wasm")).unwrap();
    }

    /// Writes the manifest, in place, as an editor may.
    fn manifest(&self, env: &str) {
        std::fs::write(
            self.path(),
            manifest("app", "./app.wasm", json!([{"name": "STATE", "value": env}])),
        )
        .unwrap();
    }

    async fn up(&self) -> Shoal {
        Up::new().file(&self.path(), 1).arg("--watch").start().await
    }
}

fn manifest(name: &str, file: &str, env: Value) -> String {
    json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "WasmService", "metadata": {"name": name},
        "spec": {
            "components": [{"name": "web", "file": file, "env": env}],
            "triggers": [{"name": "web", "component": "web", "http": {"path": "/"}}],
        },
    })
    .to_string()
}

/// Clients that ask all the time, on a connection that they keep and on new ones.
struct Clients {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    fn start(at: std::net::SocketAddr, expected: &'static [&'static str]) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let task = |keep: bool| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut client = Client::h1(at).await;
                while !stop.load(Ordering::SeqCst) {
                    if !keep {
                        client = Client::h1(at).await;
                    }
                    let answer = client.get("/").await;
                    assert_eq!((answer.status, &answer.cut), (200, &None), "{}", answer.text());
                    assert!(
                        expected.iter().any(|it| answer.text().contains(it)),
                        "{}",
                        answer.text()
                    );
                    answered.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
            })
        };
        let tasks = vec![task(true), task(false), task(false)];
        Self {
            stop,
            answered,
            tasks,
        }
    }

    /// Fails where one request did.
    async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.expect("every request was answered");
        }
        assert!(self.answered.load(Ordering::SeqCst) > 0);
    }
}

async fn event(shoal: &Shoal, kind: &str, count: usize) -> Value {
    until(&format!("event {kind} {count}"), || {
        shoal.log.events(kind).into_iter().nth(count - 1)
    })
    .await
}

#[tokio::test]
async fn a_changed_manifest_is_taken_over_without_a_failed_request() {
    let project = Project::new("http_env", "one");
    let shoal = project.up().await;
    let clients = Clients::start(shoal.address(), &["STATE=one", "STATE=two", "STATE=three"]);
    for (count, state) in ["two", "three"].into_iter().enumerate() {
        project.manifest(state);
        event(&shoal, "reloaded", count + 1).await;
        get(shoal.address(), "/")
            .await
            .has(200, &format!("STATE={state}"));
    }
    clients.end().await;
}

#[tokio::test]
async fn a_changed_component_is_taken_over_without_a_failed_request() {
    let project = Project::new("http_hello", "");
    let shoal = project.up().await;
    let clients = Clients::start(shoal.address(), &["hello, world\n", "1\n", "arg web\n"]);
    for (count, (name, text)) in [
        ("http_counter", "1\n"),
        ("http_env", "arg web"),
        ("http_hello", "hello"),
    ]
    .into_iter()
    .enumerate()
    {
        project.component(name);
        event(&shoal, "reloaded", count + 1).await;
        get(shoal.address(), "/").await.has(200, text);
    }
    clients.end().await;
}

#[tokio::test]
async fn a_broken_change_is_told_and_what_ran_goes_on() {
    let project = Project::new("http_hello", "");
    let shoal = project.up().await;
    let clients = Clients::start(shoal.address(), &["hello, world\n"]);
    let good = std::fs::read(guest("http_hello")).unwrap();
    let broken: [(&str, &dyn Fn(), &str); 5] = [
        (
            "a manifest that is no YAML",
            &|| std::fs::write(project.path(), "{").unwrap(),
            "shoal.yaml",
        ),
        (
            "a manifest with a mistake",
            &|| std::fs::write(project.path(), manifest("App", "./app.wasm", json!([]))).unwrap(),
            "metadata.name",
        ),
        (
            "a manifest of a missing file",
            &|| std::fs::write(project.path(), manifest("app", "./gone.wasm", json!([]))).unwrap(),
            "gone.wasm",
        ),
        (
            "half a component",
            &|| {
                project.manifest("x");
                project.bytes(&good[..good.len() / 2]);
            },
            "cut off",
        ),
        (
            "a component without its grants",
            &|| project.component("http_sockets"),
            "wasi:sockets",
        ),
    ];
    for (count, (what, change, says)) in broken.into_iter().enumerate() {
        change();
        let kept = event(&shoal, "kept", count + 1).await;
        assert!(kept["error"].as_str().unwrap().contains(says), "{what}: {kept}");
        get(shoal.address(), "/").await.is(200, "hello, world\n");
    }
    assert!(shoal.log.events("reloaded").is_empty(), "{}", shoal.log.tail());
    clients.end().await;
    project.component("http_counter");
    event(&shoal, "reloaded", 1).await;
    get(shoal.address(), "/").await.is(200, "1\n");
}

#[tokio::test]
async fn a_request_in_flight_ends_with_what_it_began_with() {
    let project = Project::new("http_slow_stream", "");
    let shoal = project.up().await;
    let mut client = Client::h1(shoal.address()).await;
    let slow = client
        .send(request(::http::Method::GET, "/?ms=100&n=30", empty()))
        .await;
    project.component("http_hello");
    event(&shoal, "reloaded", 1).await;
    get(shoal.address(), "/").await.is(200, "hello, world\n");
    Answer::read(slow)
        .await
        .is(200, &(1..=30).map(|n| format!("{n}\n")).collect::<String>());
    client.get("/").await.is(200, "hello, world\n");
}

#[tokio::test]
async fn services_come_and_go_with_the_manifests_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, guest_name: &str| {
        let text = manifest(name, guest(guest_name).to_str().unwrap(), json!([]));
        std::fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
    };
    write("one", "http_hello");
    let shoal = Up::new().file(folder.path(), 1).arg("--watch").start().await;
    let clients = Clients::start(shoal.at("one"), &["hello, world\n"]);
    write("two", "http_counter");
    event(&shoal, "listening", 2).await;
    get(shoal.at("two"), "/").await.is(200, "1\n");
    let two = shoal.at("two");
    remove(folder.path(), "two");
    event(&shoal, "removed", 1).await;
    until("a refused connection", || {
        std::net::TcpStream::connect(two).is_err().then_some(())
    })
    .await;
    clients.end().await;
}

#[tokio::test]
async fn no_request_to_others_fails_while_services_come_change_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, state: &str| {
        let env = json!([{"name": "STATE", "value": state}]);
        let text = manifest(name, guest("http_env").to_str().unwrap(), env);
        std::fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
    };
    // A caller and who it is linked to: the changes of others are none of their business.
    let link = json!({"links": [{"import": "test:links/calls", "service": "audit"}]});
    let shop = [("/", shoal_e2e::component("web", "link_web", link))];
    let audit = [("", shoal_e2e::component("lib", "link_provider", json!({})))];
    for (name, components) in [("shop", &shop), ("audit", &audit)] {
        let text = shoal_e2e::service(name, components, json!({}));
        std::fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
    }
    for n in 0..20 {
        write(&format!("other-{n}"), "quiet");
    }
    let shoal = Up::new().file(folder.path(), 22).arg("--watch").start().await;
    let others = [
        Clients::start(shoal.at("other-0"), &["STATE=quiet"]),
        Clients::start(shoal.at("other-19"), &["STATE=quiet"]),
    ];
    let (stop, shop) = (Arc::<AtomicBool>::default(), shoal.at("shop"));
    let stopped = Arc::clone(&stop);
    let linked = tokio::spawn(async move {
        while !stopped.load(Ordering::SeqCst) {
            get(shop, "/?op=add&a=1&b=1").await.is(200, "2\n");
        }
    });
    for round in 1..=3 {
        write("more", "new");
        event(&shoal, "listening", 21 + round).await;
        get(shoal.at("more"), "/").await.has(200, "STATE=new");
        write("more", "changed");
        event(&shoal, "reloaded", round).await;
        get(shoal.at("more"), "/").await.has(200, "STATE=changed");
        remove(folder.path(), "more");
        event(&shoal, "removed", round).await;
    }
    stop.store(true, Ordering::SeqCst);
    linked.await.expect("every call was answered");
    for clients in others {
        clients.end().await;
    }
    assert!(shoal.log.events("kept").is_empty(), "{}", shoal.log.tail());
}

fn remove(folder: &Path, name: &str) {
    std::fs::remove_file(folder.join(format!("{name}.yaml"))).unwrap();
}

#[tokio::test]
async fn a_store_in_memory_outlives_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shoal.yaml");
    let write = |state: &str| {
        let grant = json!({"capabilities": {"keyValue": [{"name": "default", "store": "visits"}]}, "env": [{"name": "STATE", "value": state}]});
        let greeter = shoal_e2e::component("web", "service_greeter", grant);
        let text = shoal_e2e::service(
            "greeter",
            &[("/", greeter)],
            json!({"stores": [{"name": "visits", "memory": {}}]}),
        );
        std::fs::write(&path, text).unwrap();
    };
    write("one");
    let shoal = Up::new().file(&path, 1).arg("--watch").start().await;
    shoal_e2e::post(shoal.address(), "/", "Ada")
        .await
        .is(200, "hello Ada, visit 1\n");
    write("two");
    event(&shoal, "reloaded", 1).await;
    shoal_e2e::post(shoal.address(), "/", "Ada")
        .await
        .is(200, "hello Ada, visit 2\n");
}
