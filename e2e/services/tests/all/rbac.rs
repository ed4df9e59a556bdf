//! With a list of namespaces, the API server denies the operator all others. It is asked itself.

use serde_json::{Value, json};
use shoal_pods::{Space, cluster};
use shoal_services::{chart, helm::helm};
use std::collections::BTreeSet;

#[test]
fn with_watch_namespaces_other_namespaces_secrets_are_denied() {
    let [home, listed, other] = ["home", "listed", "other"].map(Space::new);
    let folder = chart::folder();
    let rendered = helm(&[
        "template",
        "narrow",
        folder.to_str().unwrap(),
        "-n",
        &home.name,
        "--set",
        &format!(
            "watchNamespaces={{{}}},image.registry=registry.example/shoal,installer.enabled=false",
            listed.name
        ),
        "--show-only",
        "templates/rbac.yaml",
        "--show-only",
        "templates/serviceaccount.yaml",
    ]);
    cluster()
        .kubectl
        .run_with(&["apply", "-f", "-"], &rendered)
        .unwrap();
    let account = format!("system:serviceaccount:{}:narrow-operator", home.name);
    let may = |verb: &str, resource: &str, namespace: Option<&str>| {
        let (group, resource) = resource.split_once('/').unwrap();
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {
                "user": account, "groups": ["system:serviceaccounts", "system:authenticated"],
                "resourceAttributes": {"verb": verb, "group": group, "resource": resource, "namespace": namespace},
            },
        });
        let args = ["create", "-f", "-", "-o", "json"];
        let answer = cluster().kubectl.run_with(&args, &review.to_string()).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["status"]["allowed"] == true
    };
    let resources = [
        "/secrets",
        "/configmaps",
        "/services",
        "/pods",
        "apps/deployments",
        "shoal.dev/wasmservices",
    ];
    for verb in ["get", "list", "watch"] {
        assert!(
            may(verb, "/secrets", Some(&listed.name)),
            "{verb}: it is what it needs"
        );
        for resource in resources {
            for namespace in [Some(&*other.name), Some("kube-system"), None] {
                assert!(
                    !may(verb, resource, namespace),
                    "{verb} {resource} in {namespace:?}"
                );
            }
        }
    }
    for verb in ["create", "patch", "delete"] {
        assert!(may(verb, "apps/deployments", Some(&listed.name)), "{verb}");
        assert!(!may(verb, "apps/deployments", Some(&other.name)), "{verb}");
        assert!(
            !may(verb, "/secrets", Some(&listed.name)),
            "{verb}: nobody writes Secrets"
        );
    }
    // The same by the way that a thief of the token would go.
    let secrets = ["get", "secrets", "-n", &other.name, "--as", &account];
    let refused = cluster().kubectl.run(&secrets).unwrap_err().to_string();
    assert!(refused.contains("cannot list resource \"secrets\""), "{refused}");
    let allowed = ["get", "secrets", "-n", &listed.name, "--as", &account];
    cluster().kubectl.run(&allowed).unwrap();

    // No right for the whole cluster is hidden in another binding.
    let documents: BTreeSet<&str> = rendered
        .lines()
        .filter_map(|line| line.strip_prefix("kind: "))
        .collect();
    assert_eq!(
        documents,
        BTreeSet::from(["Role", "RoleBinding", "ServiceAccount"])
    );
}
