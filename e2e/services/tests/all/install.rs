//! From nothing: the chart, a service, an answer; then an upgrade from an earlier chart under a service that runs.

use serde_json::{Value, json};
use shoal_pods::manifest::busybox;
use shoal_pods::{Space, cluster, exclusive, guests, shared, until};
use shoal_services::chart::{NEW_FIELD, earlier, folder};
use shoal_services::helm::{helm, kubectl};
use shoal_services::installation::{INSTALLER_NAMESPACE, NAMESPACE, RELEASE, on_all_nodes};
use shoal_services::{installed, manifest};

const CRD: &str = "wasmservices.shoal.dev";

#[test]
fn a_service_answers_after_helm_install_and_kubectl_apply() {
    let space = Space::new("install");
    installed();
    space.apply(&manifest::service("greeter", &guests::image("http_hello")));
    space.kubectl(&["wait", "--for=condition=Ready", "wsvc/greeter", "--timeout=120s"]);
    space.apply(&busybox("client", &cluster().registry));
    space.ready("client");
    let url = space.get("wsvc", "greeter")["status"]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let answer = space.exec("client", &["wget", "-q", "-O", "-", &url]);
    assert_eq!(answer.unwrap().trim(), "hello, world");

    let table = space.kubectl(&["get", "wsvc"]);
    assert!(
        table.contains("greeter") && table.contains("True") && table.contains(&url),
        "{table}"
    );
    let explained = space.kubectl(&["explain", "wsvc.spec.components"]);
    assert!(explained.contains("denied everything"), "{explained}");
    space.kubectl(&["scale", "wsvc/greeter", "--replicas=2"]);
    space.until("deployment", "greeter", |it| {
        (it["status"]["readyReplicas"] == 2).then_some(())
    });
}

#[test]
fn helm_test_runs_a_component_that_reaches_the_operator() {
    let _shared = shared();
    installed();
    let said = helm(&["test", RELEASE, "-n", NAMESPACE, "--logs", "--timeout", "3m"]);
    assert!(said.contains("Phase:") && said.contains("Succeeded"), "{said}");
    assert!(said.contains("/metrics: 200"), "{said}");
}

#[test]
fn the_operator_keeps_to_restricted_and_the_installer_holds_no_token() {
    let _shared = shared();
    installed();
    // Those that an upgrade replaces are there for a while.
    let exactly = |wanted: usize, namespace: &str, selector: &str| -> Vec<Value> {
        until(&format!("{wanted} pods of {namespace}"), || {
            let pods = ["pods", "-n", namespace, "-l", selector];
            let pods = cluster().kubectl.get(&pods).unwrap();
            let pods = pods["items"].as_array().unwrap().iter();
            let staying = pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
            let staying: Vec<_> = staying.cloned().collect();
            match staying.len() {
                found if found == wanted => Ok(staying),
                found => Err(format!("there are {found}")),
            }
        })
    };
    // As many as the chart says, in a namespace that enforces it.
    exactly(2, NAMESPACE, "app.kubernetes.io/component=operator");
    let installers = exactly(cluster().nodes.len(), INSTALLER_NAMESPACE, "");
    for pod in &installers {
        assert!(
            !pod["spec"].to_string().contains("serviceAccountToken"),
            "{}",
            pod["spec"]
        );
        assert!(
            !pod["spec"].to_string().contains("kube-api-access"),
            "{}",
            pod["spec"]
        );
    }
}

#[test]
fn an_upgrade_brings_the_new_definition_and_ends_no_pod() {
    let _alone = exclusive();
    let installation = installed();
    let earlier = earlier();
    installation.upgrade_to(earlier.path());
    let (parent, field) = NEW_FIELD;
    let knows = || {
        let crd = cluster().kubectl.get(&["crd", CRD]).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        schema
            .pointer(parent)
            .is_some_and(|fields| fields.get(field).is_some())
    };
    assert!(!knows(), "the earlier definition has no {field}");
    on_all_nodes();

    let space = Space::new("upgrade");
    space.apply(&manifest::service("lasting", &guests::image("http_hello")));
    space.kubectl(&["wait", "--for=condition=Ready", "wsvc/lasting", "--timeout=120s"]);
    let pods = || -> Vec<(Value, Value)> {
        let list = space.list(&["pods", "-l", "shoal.dev/service=lasting"]);
        let pods = list["items"].as_array().unwrap().iter();
        pods.map(|pod| {
            (
                pod["metadata"]["uid"].clone(),
                pod["status"]["containerStatuses"][0]["restartCount"].clone(),
            )
        })
        .collect()
    };
    let before = pods();
    assert_eq!(before.len(), 1, "{before:?}");

    installation.upgrade_to(&folder());
    assert!(knows(), "the definition was upgraded with the chart");
    on_all_nodes();
    assert_eq!(pods(), before);
    space.kubectl(&["wait", "--for=condition=Ready", "wsvc/lasting", "--timeout=120s"]);
    let mut grown = manifest::service("lasting", &guests::image("http_hello"));
    grown["spec"]["scaling"] = json!({"maxReplicas": 3});
    space.apply(&grown);
    assert_eq!(space.get("wsvc", "lasting")["spec"]["scaling"]["maxReplicas"], 3);
    let history = helm(&["history", RELEASE, "-n", NAMESPACE]);
    assert!(history.contains("shoal-0.0.1"), "{history}");
    kubectl(&["get", "crd", CRD]);
}
