//! Tables: what a pod and a component's code say, and what runs then.

mod linked;
mod pod;

use super::decide::decide;
use crate::error::Error;
use pod::{Pod, summary};
use shoal_protocol::Role;

const SERVES: &[&str] = &["wasi:http/incoming-handler@0.2.6"];
const RUNS: &[&str] = &["wasi:cli/run@0.2.6"];
const BOTH: &[&str] = &["wasi:cli/run@0.2.6", "wasi:http/incoming-handler@0.2.6"];
const MESSAGES: &[&str] = &["shoal:service/message-handler@0.1.0"];
const SERVICE: &[&str] = &["handle-request"];
const SOCKETS: &[&str] = &["wasi:sockets/tcp@0.2.6"];

const OUTBOUND: &str = "network: {outbound: [{host: a.example, ports: [80]}]}";
const DIRECTORY: &str = "filesystem: [{volume: data, mountPath: /data, readOnly: false}]";
const HTTP: &str = "[{name: web, component: web, http: {}}]";
const TWO: &str = "[{name: web, component: web, http: {}}, {name: api, component: api, http: {path: /api}}]";
const REDIS: &str =
    "[{name: q, component: web, redis: {url: 'redis://r:6379', streams: [{stream: s, group: g}]}}]";
const BOTH_TRIGGERS: &str = "[{name: web, component: web, http: {}}, \
     {name: q, component: web, redis: {url: 'redis://r:6379', streams: [{stream: s, group: g}]}}]";
const SCHEDULE: &str = "[{name: nightly, component: web, schedule: {cron: '0 2 * * *'}}]";
const LINKS_WEB: &str = "[{import: 'a:b/c', component: web}]";

const CAPABILITIES: &str = "shoal.dev/capabilities";
const LIMITS: &str = "shoal.dev/limits";
const TRIGGERS: &str = "shoal.dev/triggers";
const TRUST: &str = "shoal.dev/trust-domain";

fn triggered(triggers: &str, exports: &[&str]) -> Pod {
    Pod::new().says(TRIGGERS, triggers).exports(exports)
}

fn decided(pod: &Pod) -> String {
    let program = pod
        .spec()
        .and_then(|spec| decide(spec, pod.code(), String::new()));
    match program {
        Ok(program) => summary(&program),
        Err(error) => format!("refused: {error}"),
    }
}

/// Compares all rows before it fails.
fn check(rows: &[(&str, Pod, &str)]) {
    let wrong: Vec<_> = rows
        .iter()
        .map(|(name, pod, wanted)| (name, decided(pod), wanted))
        .filter(|(_, found, wanted)| match wanted.strip_prefix("refused: ") {
            // The words that its author needs.
            Some(words) => !found.starts_with("refused: ") || !found.contains(words),
            None => found != *wanted,
        })
        .map(|(name, found, wanted)| format!("{name}\n   found {found}\n  wanted {wanted}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_role_follows_from_exports_and_triggers() {
    let alone = |exports| Pod::new().exports(exports);
    let in_a_service = |exports| alone(exports).says(TRIGGERS, TWO);
    check(&[
        ("http 0.2", alone(SERVES), "serve in ns-shop"),
        (
            "http 0.3",
            alone(&["wasi:http/handler@0.3.0"]),
            "serve in ns-shop",
        ),
        ("an own world", alone(SERVICE), "serve in ns-shop"),
        ("a command", alone(RUNS), "run in ns-shop, a day"),
        ("both, nothing calls it", alone(BOTH), "serve in ns-shop"),
        (
            "messages without a trigger",
            alone(MESSAGES),
            "refused: exports shoal:service/message-handler",
        ),
        ("nothing at all", alone(&[]), "refused: exports nothing"),
        (
            "something unknown",
            alone(&["a:b/c@1.0.0"]),
            "refused: web exports a:b/c@1.0.0",
        ),
        (
            "http and its trigger",
            triggered(HTTP, SERVES),
            "serve in ns-shop, answers / by web",
        ),
        (
            "messages and their trigger",
            triggered(REDIS, MESSAGES),
            "handle in ns-shop, answers, called by q",
        ),
        (
            "messages and both triggers",
            triggered(BOTH_TRIGGERS, SERVICE),
            "serve in ns-shop, answers / by web, called by q",
        ),
        // The worker says what is missing: it knows which functions a message needs.
        (
            "http alone for messages",
            triggered(REDIS, SERVES),
            "handle in ns-shop, answers, called by q",
        ),
        (
            "http alone for both",
            triggered(BOTH_TRIGGERS, SERVES),
            "serve in ns-shop, answers / by web, called by q",
        ),
        (
            "a schedule",
            triggered(SCHEDULE, MESSAGES),
            "due nightly in ns-shop, answers, a day",
        ),
        (
            "a schedule of a command",
            triggered(SCHEDULE, RUNS),
            "run in ns-shop, answers, a day",
        ),
        (
            "a schedule of a server",
            triggered(SCHEDULE, SERVES),
            "due nightly in ns-shop, answers, a day",
        ),
        (
            "a command beside others",
            in_a_service(RUNS),
            "handle in ns-shop, answers / by web /api by api",
        ),
        (
            "of another's triggers only the front",
            triggered("[{name: api, component: api, http: {}}]", RUNS),
            "run in ns-shop, answers / by api, a day",
        ),
    ]);
}

#[test]
fn a_command_has_a_day_unless_the_pod_limits_it() {
    let runs = |key: &str| Pod::new().exports(RUNS).says(key, "cpuTime: 5s");
    check(&[
        ("the pod's limits", runs(LIMITS), "run in ns-shop"),
        ("its own", runs("shoal.dev/limits.web"), "run in ns-shop"),
        ("another's", runs("shoal.dev/limits.api"), "run in ns-shop, a day"),
        (
            "a server has its usual ones",
            Pod::new().exports(SERVES),
            "serve in ns-shop",
        ),
    ]);
}

#[test]
fn the_process_follows_from_trust_files_and_sockets() {
    let pod = || Pod::new().exports(SERVES);
    let trusts = |domain: &str| pod().says(TRUST, domain);
    let sockets = || pod().imports(SOCKETS).says(CAPABILITIES, OUTBOUND);
    check(&[
        ("a namespace", trusts("namespace"), "serve in ns-shop"),
        ("a node", trusts("node"), "serve in node"),
        ("a pod", trusts("pod"), "serve in pod-sandbox"),
        ("a name", trusts("team-a"), "serve in ns-shop.team-a"),
        (
            "no name",
            trusts("Team_A"),
            "refused: namespace, node, pod, or a name",
        ),
        (
            "the host's network",
            sockets().no_netns(),
            "serve in pod-sandbox-net",
        ),
        (
            "sockets",
            sockets(),
            "serve in pod-sandbox-net, netns /proc/1/ns/net",
        ),
        (
            "sockets, whatever it trusts",
            sockets().says(TRUST, "node"),
            "serve in pod-sandbox-net, netns /proc/1/ns/net",
        ),
        (
            "sockets that lead nowhere",
            pod()
                .imports(SOCKETS)
                .says(CAPABILITIES, "network: {outbound: []}"),
            "serve in ns-shop",
        ),
        (
            "connections without sockets",
            pod().says(CAPABILITIES, OUTBOUND),
            "serve in ns-shop",
        ),
        (
            "sockets, alone on its paths",
            sockets().says(TRIGGERS, HTTP),
            "serve in pod-sandbox-net, netns /proc/1/ns/net, answers / by web",
        ),
        (
            "sockets beside others",
            sockets().says(TRIGGERS, TWO),
            "refused: make it a service of its own",
        ),
        (
            "directories",
            pod().says(CAPABILITIES, DIRECTORY).volume("data", "rw"),
            "serve in files-ns-shop, directories, volumes data",
        ),
        (
            "directories of another one",
            pod().says("shoal.dev/capabilities.api", DIRECTORY),
            "serve in files-ns-shop, directories",
        ),
        (
            "directories and sockets",
            sockets()
                .says(CAPABILITIES, &format!("{{{DIRECTORY_FLOW}, {OUTBOUND_FLOW}}}"))
                .volume("data", "rw"),
            "serve in files-pod-sandbox-net, netns /proc/1/ns/net, directories, volumes data",
        ),
    ]);
}

const DIRECTORY_FLOW: &str = "filesystem: [{volume: data, mountPath: /data, readOnly: false}]";
const OUTBOUND_FLOW: &str = "network: {outbound: [{host: a.example, ports: [80]}]}";

#[test]
fn volumes_are_those_that_the_pod_mounts() {
    let granted = || Pod::new().exports(SERVES).says(CAPABILITIES, DIRECTORY);
    let kept = || {
        let stores = Pod::new().exports(SERVES).says("shoal.dev/service", "shop");
        let stores = stores.says("shoal.dev/stores", "[{name: kept, persistent: {volume: state}}]");
        stores.says(CAPABILITIES, "keyValue: [{name: default, store: kept}]")
    };
    check(&[
        (
            "a directory without its mount",
            granted(),
            "refused: no volume at /shoal/volumes/data",
        ),
        (
            "a store without its mount",
            kept(),
            "refused: no volume at /shoal/volumes/state",
        ),
        (
            "a store",
            kept().volume("state", "rw"),
            "serve in ns-shop, volumes state, stores kept",
        ),
        (
            "a store that it is not granted",
            kept().says(CAPABILITIES, "{}"),
            "serve in ns-shop",
        ),
    ]);
    for (options, read_only) in [("rw", false), ("ro", true), ("rro", true)] {
        let pod = granted().volume("data", options);
        let program = decide(pod.spec().unwrap(), pod.code(), String::new()).unwrap();
        let grant = &program.task.component.capabilities.filesystem[0];
        assert_eq!(grant.read_only, read_only, "mounted {options}");
    }
}

#[test]
fn what_the_pod_says_wrongly_is_refused() {
    let pod = || Pod::new().exports(SERVES);
    let client = || pod().imports(&["wasi:http/outgoing-handler@0.2.6"]);
    check(&[
        (
            "no image",
            pod().no_image(),
            "refused: image's reference is missing from /bundle/config.json",
        ),
        (
            "what is not granted",
            client(),
            "refused: metadata.annotations[shoal.dev/capabilities]: network",
        ),
        (
            "what is granted",
            client().says(CAPABILITIES, OUTBOUND),
            "serve in ns-shop",
        ),
        (
            "its own annotation grants less",
            client()
                .says(CAPABILITIES, OUTBOUND)
                .says("shoal.dev/capabilities.web", "{}"),
            "refused: network",
        ),
        (
            "another's annotation grants nothing here",
            client().says("shoal.dev/capabilities.api", OUTBOUND),
            "refused: network",
        ),
        (
            "capabilities that are no YAML",
            pod().says(CAPABILITIES, "{"),
            "refused: shoal.dev/capabilities",
        ),
        (
            "limits that are none",
            pod().says(LIMITS, "memory: lots"),
            "refused: shoal.dev/limits].memory",
        ),
        (
            "triggers that are none",
            pod().says(TRIGGERS, "{}"),
            "refused: shoal.dev/triggers",
        ),
        (
            "two on one path",
            pod().says(
                TRIGGERS,
                "[{name: a, component: web, http: {}}, {name: b, component: api, http: {}}]",
            ),
            "refused: same path",
        ),
        (
            "links to services",
            pod().says("shoal.dev/links.web", "[{import: 'a:b/c', service: other}]"),
            "refused: metadata.annotations[shoal.dev/links.web][0].service: ",
        ),
        (
            "a consumer group without a name",
            pod().says(
                TRIGGERS,
                "[{name: q, component: web, redis: {url: 'redis://r:6379', streams: [{stream: s}]}}]",
            ),
            "refused: is missing: a consumer group",
        ),
    ]);
}

#[test]
fn the_containers_annotations_go_before_the_pods() {
    let pod = Pod::new()
        .exports(SERVES)
        .sandbox_says(TRUST, "node")
        .says(TRUST, "pod");
    assert_eq!(decided(&pod), "serve in pod-sandbox");
    let pod = Pod::new().exports(SERVES).sandbox_says(TRUST, "node");
    assert_eq!(decided(&pod), "serve in node");
}

#[test]
fn a_container_of_no_pod_is_its_own() {
    let pod = Pod::new().exports(SERVES).says(TRUST, "pod").no_sandbox();
    let program = decide(pod.spec().unwrap(), pod.code(), String::new()).unwrap();
    assert_eq!(summary(&program), "serve in pod-web-1, netns of the bundle");
    assert_eq!(
        (program.task.role, program.task.pod.as_str()),
        (Role::Serve, "default/web")
    );
    let refused = Pod::new().no_sandbox().no_image().spec();
    assert!(matches!(refused, Err(Error::NoImage(_))));
}
