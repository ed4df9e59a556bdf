//! Pods whose components are linked to each other.

use super::*;

const LINKS_API: &str = "[{import: 'a:b/c', component: api}]";

#[test]
fn linked_components_are_one() {
    let caller = || Pod::new().exports(SERVES).says("shoal.dev/links.web", LINKS_API);
    let part = |grants: &str| caller().part("api", grants);
    let callee = |exports| {
        Pod::new()
            .exports(exports)
            .says("shoal.dev/links.api", LINKS_WEB)
            .within_another()
    };
    check(&[
        ("the caller", part("{}"), "serve in ns-shop, with api"),
        ("what it calls", callee(&["a:b/c@1.0.0"]), "part in ns-shop"),
        (
            "what it calls has no exports that count",
            callee(&[]),
            "part in ns-shop",
        ),
        (
            "its part imports what it has",
            part(OUTBOUND).imports(&["p1-wasi:http/outgoing-handler@0.2.6"]),
            "serve in ns-shop, with api",
        ),
        (
            "its part imports what it lacks",
            part("{}").imports(&["p1-wasi:http/outgoing-handler@0.2.6"]),
            "refused: metadata.annotations[shoal.dev/capabilities.api]: network",
        ),
        (
            "the grant of one is not the other's",
            part("{}")
                .imports(&["p1-wasi:http/outgoing-handler@0.2.6"])
                .says("shoal.dev/capabilities.web", OUTBOUND),
            "refused: metadata.annotations[shoal.dev/capabilities.api]: network",
        ),
        (
            "with connections, in the pod's network",
            part("{}").says("shoal.dev/capabilities.web", OUTBOUND),
            "serve in pod-sandbox-net, netns /proc/1/ns/net, with api",
        ),
        (
            "what it calls is there too",
            callee(&[]).says("shoal.dev/capabilities.api", OUTBOUND),
            "part in pod-sandbox-net, netns /proc/1/ns/net",
        ),
        (
            "linked sockets beside others",
            part("{}")
                .says("shoal.dev/capabilities.web", OUTBOUND)
                .imports(&["p0-wasi:sockets/tcp@0.2.6"])
                .says(TRIGGERS, TWO),
            "serve in pod-sandbox-net, netns /proc/1/ns/net, answers / by web /api by api, with api",
        ),
        (
            "called by a trigger, it is no part",
            Pod::new()
                .exports(SERVES)
                .says("shoal.dev/links.api", LINKS_WEB)
                .says(TRIGGERS, HTTP),
            "serve in ns-shop, answers / by web",
        ),
        (
            "a link to itself",
            Pod::new().exports(SERVES).says("shoal.dev/links.web", LINKS_WEB),
            "refused: links",
        ),
    ]);
}

#[test]
fn a_part_keeps_its_values_and_brings_its_volumes() {
    let pod = Pod::new().exports(SERVES).says("shoal.dev/links.web", LINKS_API);
    let pod = pod.part("api", "{}").part_volume("data");
    let program = decide(pod.spec().unwrap(), pod.code(), "nameserver 10.0.0.1".to_owned()).unwrap();
    assert_eq!(program.resolv, "nameserver 10.0.0.1");
    assert_eq!(program.volumes["data"].to_str(), Some("/host/data"));
    assert_eq!(program.task.parts[0].id, "api-1");
}
