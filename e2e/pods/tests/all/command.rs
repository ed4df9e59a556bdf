//! `shoal deploy`, `status` and `logs` against a real API server and real pods. There is no operator: the test writes what one
//! would, so that each answer of the command has its cause in the test.

use serde_json::{Value, json};
use shoal_pods::manifest::{deployment, pod};
use shoal_pods::{Space, cluster, guests, http, until};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

const CRD: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../crds/wasmservices.shoal.dev.yaml"
);

/// A folder with a manifest and the file that it names, and a namespace for it.
struct Project {
    space: Space,
    folder: TempDir,
}

impl Project {
    fn new(purpose: &str) -> Self {
        cluster()
            .kubectl
            .run(&["apply", "--server-side", "-f", CRD])
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(guests::file("http_log"), folder.path().join("web.wasm")).unwrap();
        let project = Self {
            space: Space::new(purpose),
            folder,
        };
        project.write("./web.wasm");
        project
    }

    fn write(&self, file: &str) {
        let service = json!({
            "apiVersion": "shoal.dev/v1alpha1", "kind": "WasmService", "metadata": {"name": "app"},
            "spec": {
                "components": [{"name": "web", "file": file}],
                "triggers": [{"name": "web", "component": "web", "http": {}}],
            },
        });
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"k": "v"}});
        std::fs::write(
            self.folder.path().join("shoal.yaml"),
            format!("{service}\n---\n{secret}\n"),
        )
        .unwrap();
    }

    /// The command as a plug-in of kubectl.
    fn command(&self, arguments: &[&str]) -> Command {
        let program = self.folder.path().join("kubectl-shoal");
        if !program.exists() {
            std::os::unix::fs::symlink(shoal(), &program).unwrap();
        }
        let mut command = Command::new(program);
        command
            .args(arguments)
            .args(["--namespace", &self.space.name])
            .env("SHOAL_CACHE", self.folder.path().join("cache"))
            .env("SHOAL_COMPILE", shoal().with_file_name("shoal-compile"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    fn deploy(&self, more: &[&str]) -> Command {
        let repository = format!("{}/{}", cluster().registry, self.space.name);
        let all = [
            &[
                "deploy",
                "--push-to",
                &repository,
                "--plain-http",
                &cluster().registry,
            ],
            more,
        ]
        .concat();
        self.command(&all)
    }

    /// Writes the status as an operator would.
    fn status(&self, conditions: Value) {
        let generation = self.space.get("wasmservice", "app")["metadata"]["generation"].clone();
        let url = format!("http://app.{}.svc.cluster.local", self.space.name);
        let patch = json!({"status": {
            "observedGeneration": generation, "conditions": conditions, "url": url, "replicas": 1, "revision": "r1",
        }});
        let (what, patch) = ("wasmservice/app", patch.to_string());
        self.space.kubectl(&[
            "patch",
            what,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ]);
    }
}

/// The `shoal` beside this test.
fn shoal() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let program = this.ancestors().nth(2).unwrap().join("shoal");
    assert!(
        program.is_file(),
        "{} is missing: run `make build`",
        program.display()
    );
    program
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

/// A deployment as the operator would make it of the service.
fn workload(image: &str, replicas: u32) -> Value {
    let mut object = deployment("app", image, replicas);
    let labels = &mut object["spec"]["template"]["metadata"]["labels"];
    labels["shoal.dev/service"] = json!("app");
    labels["app.kubernetes.io/name"] = json!("app");
    labels["app.kubernetes.io/managed-by"] = json!("shoal-operator");
    object
}

#[test]
fn a_manifest_with_files_is_pushed_applied_as_written_and_waited_for() {
    let project = Project::new("deploy");
    let mut waiting = project
        .deploy(&["-o", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let applied = until("the service on the cluster", || {
        project
            .space
            .try_kubectl(&["get", "wasmservice", "app", "-o", "json", "--show-managed-fields"])
    });
    let applied: Value = serde_json::from_str(&applied).unwrap();
    let image = applied["spec"]["components"][0]["image"]
        .as_str()
        .unwrap()
        .to_owned();
    let repository = format!("{}/{}/app-web@sha256:", cluster().registry, project.space.name);
    assert!(image.starts_with(&repository), "{image}");
    let ours = applied["metadata"]["managedFields"].as_array().unwrap().iter();
    let ours: Vec<_> = ours.filter(|it| it["manager"] == "shoal-cli").collect();
    let fields: Vec<_> = ours[0]["fieldsV1"]["f:spec"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(
        fields,
        ["f:components", "f:triggers"],
        "not the defaults, which others may set"
    );
    assert_eq!(project.space.get("secret", "token")["data"]["k"], "dg==");

    // What was pushed is an image that a pod runs.
    project.space.apply(&pod("pushed", &image));
    let address = project.space.ready("pushed");
    assert!(waiting.try_wait().unwrap().is_none(), "it waits for the status");
    project.status(json!([condition("Ready", "True", "RolledOut", "")]));
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let told = &told["services"][0];
    assert_eq!(
        told["url"],
        format!("http://app.{}.svc.cluster.local", project.space.name)
    );
    assert_eq!(
        (&told["ready"], &told["components"][0]["image"]),
        (&json!(true), &json!(image))
    );
    let node = project.space.node_of("pushed");
    if let Some(local) = &node.local {
        let netns = local.netns.clone();
        let got = std::thread::spawn(move || {
            http::enter(&netns);
            http::get(address, "/")
        });
        assert_eq!(got.join().unwrap().unwrap(), (200, "logged\n".to_owned()));
    }

    // Once more: nothing changed, so nothing is waited for, and another manager's field stays.
    project
        .space
        .kubectl(&["scale", "wasmservice/app", "--replicas=3"]);
    project.status(json!([condition("Ready", "True", "RolledOut", "")]));
    let again = project.deploy(&[]).output().unwrap();
    assert!(again.status.success(), "{again:?}");
    let service = project.space.get("wasmservice", "app");
    assert_eq!(service["spec"]["scaling"]["minReplicas"], 3);

    let table = project.command(&["status"]).output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        table.starts_with("NAME") && table.contains("app") && table.contains("RolledOut"),
        "{table}"
    );
}

#[test]
fn what_does_not_become_ready_is_told_with_its_causes() {
    let project = Project::new("unready");
    let refused = project.command(&["deploy"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("--push-to"),
        "{refused:?}"
    );

    project
        .space
        .apply(&workload(&format!("{}/no/such:1", cluster().registry), 1));
    let first = project.deploy(&["--no-wait"]).output().unwrap();
    assert!(first.status.success(), "{first:?}");
    project.status(json!([
        condition("Ready", "False", "PodsFailing", "the pods fail"),
        condition("Available", "False", "NoPodReady", "none of 1 is ready"),
    ]));
    let pod = until("a pod that can't be started", || {
        let pods = project.space.list(&["pods", "-l", "shoal.dev/service=app"]);
        let pod = &pods["items"][0];
        let reason = pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].as_str();
        let failed = reason.is_some_and(|it| it.contains("Image"));
        let name = pod["metadata"]["name"].as_str().map(str::to_owned);
        name.filter(|_| failed).ok_or_else(|| pods.to_string())
    });
    let output = project.deploy(&["--timeout", "3s"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    for part in [
        "app: not ready within 3s: Available: NoPodReady: none of 1 is ready",
        "Ready=False: PodsFailing: the pods fail",
        &format!("pod {pod}: "),
        &format!("pod/{pod} Failed"),
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }

    // What only another manifest can mend is not waited for.
    let message = "wasi:http/outgoing-handler is not granted";
    project.status(json!([condition(
        "CapabilitiesGranted",
        "False",
        "NotGranted",
        message
    )]));
    let output = project.deploy(&["--timeout", "1h"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("refused: CapabilitiesGranted") && text.contains(message),
        "{text}"
    );

    let full = project.command(&["status", "app"]).output().unwrap();
    let full = String::from_utf8(full.stdout).unwrap();
    assert!(full.contains("NotGranted") && full.contains(&pod), "{full}");
}

#[test]
fn logs_are_followed_through_a_rolling_update() {
    let project = Project::new("logs");
    let deployed = project.deploy(&["--no-wait"]).output().unwrap();
    assert!(deployed.status.success(), "{deployed:?}");
    project.space.apply(&workload(&guests::image("http_log"), 1));
    let old = answering(&project.space, "first", &[]);

    let follow = Lines::of(project.command(&["logs", "app", "--follow"]));
    follow.wait(&format!("{old}/web | stdout 1: first"));
    project.space.kubectl(&["rollout", "restart", "deployment/app"]);
    project
        .space
        .kubectl(&["rollout", "status", "deployment/app", "--timeout=120s"]);
    let new = answering(&project.space, "second", &[&old]);
    follow.wait(&format!("{new}/web | stderr 1: second"));
    let twice = follow
        .all()
        .iter()
        .filter(|it| it.contains("stdout 1: first"))
        .count();
    assert_eq!(twice, 1, "{:#?}", follow.all());
    drop(follow);

    let logs = |more: &[&str]| {
        let output = project
            .command(&[&["logs", "app"], more].concat())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let all = logs(&["-o", "json", "--component", "web"]);
    let line: Value =
        serde_json::from_str(all.lines().find(|it| it.contains("stdout 1: second")).unwrap()).unwrap();
    assert_eq!((&line["pod"], &line["component"]), (&json!(new), &json!("web")));
    assert!(line["time"].is_string(), "{line}");
    // The old pod may still be there, with a last line of its own.
    let last = logs(&["--tail", "1"]);
    let last: Vec<_> = last.lines().filter(|it| it.starts_with(&new)).collect();
    assert_eq!(last.len(), 1, "{last:?}");
    let wrong = project.command(&["logs", "app", "-c", "wbe"]).output().unwrap();
    assert!(
        String::from_utf8_lossy(&wrong.stderr).contains("it has web"),
        "{wrong:?}"
    );
}

/// Waits for a ready pod of the service that is none of `not`, and lets it print `text`; its name.
fn answering(space: &Space, text: &str, not: &[&str]) -> String {
    let (pod, address) = until("a ready pod", || {
        let pods = space.list(&["pods", "-l", "shoal.dev/service=app"]);
        let ready = |pod: &Value| {
            let conditions = pod["status"]["conditions"].as_array()?;
            let ready = conditions
                .iter()
                .any(|it| it["type"] == "Ready" && it["status"] == "True");
            let name = pod["metadata"]["name"].as_str()?;
            let ip = pod["status"]["podIP"].as_str()?.to_owned();
            let wanted = ready && pod["metadata"]["deletionTimestamp"].is_null() && !not.contains(&name);
            wanted.then(|| (name.to_owned(), ip))
        };
        pods["items"]
            .as_array()
            .unwrap()
            .iter()
            .find_map(ready)
            .ok_or_else(|| pods.to_string())
    });
    let node = space.node_of(&pod);
    let netns = shoal_pods::space::local(node).netns.clone();
    let path = format!("/?text={text}");
    let got = std::thread::spawn(move || {
        http::enter(&netns);
        http::get(format!("{address}:80").parse().unwrap(), &path)
    });
    assert_eq!(got.join().unwrap().unwrap().0, 200);
    pod
}

/// A command that goes on, and what it has printed so far. It ends with this.
struct Lines {
    child: Child,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Lines {
    fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let (seen, out) = (Arc::<Mutex<Vec<String>>>::default(), child.stdout.take().unwrap());
        let keep = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                keep.lock().unwrap().push(line);
            }
        });
        Self { child, seen }
    }

    fn all(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn wait(&self, text: &str) {
        until(&format!("a line with {text:?}"), || {
            let seen = self.all();
            let found = seen.iter().any(|it| it.contains(text));
            found.then_some(()).ok_or_else(|| format!("{seen:#?}"))
        });
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
