//! Each set of values in charts/shoal/ci is good for Helm, and what it makes is good for the API server.

use shoal_pods::{Space, cluster};
use shoal_services::chart;
use shoal_services::helm::{helm, try_helm};

#[test]
fn what_each_set_of_values_makes_is_taken_by_the_api_server() {
    let (home, nodes) = (Space::new("variant"), Space::new("variant-nodes"));
    let folder = chart::folder();
    let folder = folder.to_str().unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(chart::folder().join("ci")).unwrap() {
        let file = entry.unwrap().path();
        let file = file.to_str().unwrap();
        helm(&["lint", "--strict", folder, "-f", file]);
        // Namespaces that are there, and no kind that only the Prometheus operator brings.
        let set = format!(
            "installer.namespace.create=false,installer.namespace.name={},metrics.serviceMonitor.enabled=false,watchNamespaces=null",
            nodes.name
        );
        // The test's pod names a runtime class that is not there yet.
        let args = [
            "template",
            "variant",
            folder,
            "-n",
            &home.name,
            "-f",
            file,
            "--set",
            &set,
            "--skip-tests",
        ];
        let made = helm(&args);
        let args = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "-f",
            "-",
        ];
        let taken = cluster()
            .kubectl
            .run_with(&args, &made)
            .unwrap_or_else(|error| panic!("{file}: {error:#}"));
        assert!(
            taken.contains("deployment.apps/variant-operator"),
            "{file}: {taken}"
        );
        seen += 1;
    }
    assert!(seen > 3, "only {seen}");
}

#[test]
fn a_value_that_is_not_known_or_makes_no_sense_is_refused_by_its_name() {
    let folder = chart::folder();
    let folder = folder.to_str().unwrap();
    for (set, word) in [
        ("operator.replica=2", "replica"),
        ("operator.replicas=0", "replicas"),
        ("installer.maxUnavailable=half", "maxUnavailable"),
        ("watchNamespaces={Upper}", "watchNamespaces"),
        ("operator.image.digest=sha256:abc", "digest"),
        ("image.registry=", "image.registry"),
    ] {
        let set = format!("image.registry=registry.example/shoal,{set}");
        let refused = try_helm(&["template", "wrong", folder, "--set", &set]).unwrap_err();
        assert!(refused.contains(word), "{set}: {refused}");
    }
}
