//! The CustomResourceDefinition: what the API server asks of it that can be seen without one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails may panic, its helpers too"
)]

use serde_json::Value;
use shoal_api::crd;

fn definition() -> Value {
    serde_json::to_value(crd::crd().unwrap()).unwrap()
}

/// Calls `visit` with every schema below a schema, and its path.
fn each(schema: &Value, at: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(at, schema);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        each(field, &format!("{at}.{name}"), visit);
    }
    for key in ["items", "additionalProperties"] {
        if schema.get(key).is_some_and(Value::is_object) {
            each(&schema[key], &format!("{at}[]"), visit);
        }
    }
}

#[test]
fn the_names_columns_and_subresources_are_there() {
    let definition = definition();
    let names = &definition["spec"]["names"];
    assert_eq!(definition["metadata"]["name"], "wasmservices.shoal.dev");
    assert_eq!(names["shortNames"][0], "wsvc");
    assert_eq!(names["categories"][0], "all");
    assert_eq!(definition["spec"]["scope"], "Namespaced");
    let version = &definition["spec"]["versions"][0];
    assert_eq!(version["name"], "v1alpha1");
    assert!(version["subresources"]["status"].is_object());
    assert_eq!(
        version["subresources"]["scale"]["statusReplicasPath"],
        ".status.replicas"
    );
    assert_eq!(
        version["subresources"]["scale"]["labelSelectorPath"],
        ".status.selector"
    );
    let columns: Vec<&str> = version["additionalPrinterColumns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["name"].as_str().unwrap())
        .collect();
    assert_eq!(columns, ["Ready", "URL", "Placement", "Replicas", "Age"]);
}

#[test]
fn the_schema_is_structural_and_bounded() {
    let mut seen = 0;
    each(crd::schema(), "", &mut |at, schema| {
        seen += 1;
        let untyped = schema.get("x-kubernetes-int-or-string").is_some();
        assert!(untyped || schema["type"].is_string(), "{at} has no type");
        for keyword in ["oneOf", "anyOf", "allOf", "not", "$ref", "nullable", "const"] {
            assert!(schema.get(keyword).is_none(), "{at} has {keyword}");
        }
        if let Some(format) = schema["format"].as_str() {
            assert!(
                ["int32", "int64", "byte", "date-time"].contains(&format),
                "{at} has the format {format}"
            );
        }
        let kubernetes_own = [
            ".spec.volumes[].",
            ".spec.imagePullSecrets[].",
            ".spec.components[].env[].",
            ".spec.components[].envFrom[].",
            ".spec.components[].resources.",
            ".spec.template.spec.tolerations[].",
            ".spec.template.spec.affinity.",
            ".spec.template.spec.topologySpreadConstraints[].",
            ".status.conditions[].",
            ".metadata",
        ];
        if !kubernetes_own.iter().any(|prefix| at.starts_with(prefix)) && at.contains(".spec.") {
            match schema["type"].as_str() {
                Some("array") => assert!(schema["maxItems"].is_u64(), "{at} has no maxItems"),
                Some("string") if schema.get("enum").is_none() => {
                    assert!(schema["maxLength"].is_u64(), "{at} has no maxLength");
                }
                Some("integer") => assert!(schema["maximum"].is_u64(), "{at} has no maximum"),
                _ => {}
            }
            assert!(
                schema["description"].is_string() || at.ends_with("[]"),
                "{at} has no description"
            );
        }
    });
    assert!(seen > 200, "{seen}");
}

#[test]
fn the_yaml_is_the_definition_and_the_file_is_the_yaml() {
    let yaml = crd::yaml().unwrap();
    let read: Value = serde_saphyr::from_str(&yaml).unwrap();
    let read: k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition =
        serde_json::from_value(read).unwrap();
    assert_eq!(read, crd::crd().unwrap());
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/wasmservices.shoal.dev.yaml");
    let file = std::fs::read_to_string(file).unwrap();
    assert!(
        file == yaml,
        "crds/ is not what the types say; run `cargo run -p xtask -- crds`"
    );
}
