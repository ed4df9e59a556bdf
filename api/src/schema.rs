//! Pieces of JSON schema that several types share. What the whole CRD looks like is in `crd.rs`.

use k8s_openapi::api::core::v1::{
    Affinity, EnvFromSource, EnvVar, LocalObjectReference, ResourceRequirements, Toleration,
    TopologySpreadConstraint, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::Rule;
use kube::core::schema::StructuralSchemaRewriter;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::rules;

/// A DNS-1123 label, as a pod, a container and a volume are named.
pub(crate) const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// A DNS-1123 subdomain, as a Secret and a ConfigMap are named.
pub(crate) const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A key of a Secret or a ConfigMap.
pub(crate) const KEY: &str = "^[-._a-zA-Z0-9]+$";

/// A name under which a component opens a store: as [`KEY`], or empty.
pub(crate) const STORE_NAME: &str = "^[-._a-zA-Z0-9]*$";

/// A host as rules write it. `shoal-network` reads it.
pub(crate) const HOSTS: &str = "^[-*.:/0-9a-z]+$";

/// A WIT interface, with its version if it has one.
pub(crate) const INTERFACE: &str =
    "^[a-zA-Z][-a-zA-Z0-9]*(:[a-zA-Z][-a-zA-Z0-9]*)+(/[a-zA-Z][-a-zA-Z0-9]*)+(@[0-9][-+.0-9A-Za-z]*)?$";
/// An import by its name, with or without its version, or all interfaces of a package.
pub(crate) const IMPORTS: &str = "^[a-zA-Z][-a-zA-Z0-9]*((:[a-zA-Z][-a-zA-Z0-9]*)+(/[a-zA-Z][-a-zA-Z0-9]*)*(/\\*|/[a-zA-Z][-a-zA-Z0-9]*(@[0-9][-+.0-9A-Za-z]*)?))?$";

/// Five fields, or a name that stands for them. Whether the numbers make sense is checked by who runs the schedule.
pub(crate) const CRON: &str =
    "^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|[-*/,?a-zA-Z0-9]+( +[-*/,?a-zA-Z0-9]+){4})$";

/// An OCI reference as far as a pattern can tell: no spaces, and a whole digest if there is one.
pub(crate) const IMAGE: &str = r"^[^\s@]+(@sha256:[a-f0-9]{64})?$";
/// The path of an HTTP trigger.
pub(crate) const HTTP_PATH: &str = r"^/[^?#\s]*$";
/// The path of a probe, with its query.
pub(crate) const PROBE_PATH: &str = r"^/[^#\s]*$";
/// The name of a header.
pub(crate) const HEADER_NAME: &str = "^[-A-Za-z0-9]+$";
/// An absolute path without a slash too many. That no segment climbs is a rule, as RE2 cannot say it.
pub(crate) const MOUNT_PATH: &str = "^/([^/]+(/[^/]+)*)?$";
/// A server of Redis, sentinels that know it, or a cluster.
pub(crate) const REDIS_URL: &str = "^rediss?(-sentinel|-cluster)?://";
/// A name of the tz database.
pub(crate) const TIME_ZONE: &str = "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$";
/// CPU time: cores, or thousandths of one.
pub(crate) const CPU: &str = "^[1-9][0-9]*m?$";
/// The name of an environment variable.
pub(crate) const ENV_NAME: &str = "^[^=]+$";

/// Kubernetes' environment variables, with the bounds that keep CEL's estimated cost finite.
pub(crate) fn env(generator: &mut SchemaGenerator) -> Schema {
    let mut item = generator.subschema_for::<EnvVar>().to_value();
    let source = &mut item["properties"]["valueFrom"];
    for reference in ["configMapKeyRef", "secretKeyRef"] {
        let reference = &mut source["properties"][reference];
        key(reference, "name", SUBDOMAIN, 253);
        key(reference, "key", KEY, 253);
        reference["required"] = json!(["key", "name"]);
    }
    let kinds = fields(source);
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    add_rule(
        source,
        &rules::exactly_one(
            &kinds,
            &format!("valueFrom needs exactly one of {}", kinds.join(", ")),
        ),
    );
    add_rule(
        &mut item,
        &rules::rule(
            "!has(self.valueFrom) || !has(self.value) || self.value == ''",
            "an environment variable has a value or a valueFrom, not both: remove one",
        ),
    );
    list(item, 256, ENV_NAME, 253)
}

/// Objects whose keys become variables, likewise.
pub(crate) fn env_from(_: &mut SchemaGenerator) -> Schema {
    let mut item = of::<EnvFromSource>();
    for reference in ["configMapRef", "secretRef"] {
        let reference = &mut item["properties"][reference];
        key(reference, "name", SUBDOMAIN, 253);
        reference["required"] = json!(["name"]);
    }
    let message = "an entry of envFrom needs exactly one of configMapRef and secretRef";
    add_rule(
        &mut item,
        &rules::exactly_one(&["configMapRef", "secretRef"], message),
    );
    of_value(json!({
        "type": "array",
        "items": item,
        "maxItems": 32,
        "x-kubernetes-list-type": "atomic",
    }))
}

/// Kubernetes' volumes, with bounds on what CEL rules look at.
pub(crate) fn volumes(generator: &mut SchemaGenerator) -> Schema {
    let mut item = generator.subschema_for::<Volume>().to_value();
    let kinds = fields(&item);
    let kinds: Vec<&str> = kinds
        .iter()
        .map(String::as_str)
        .filter(|field| *field != "name")
        .collect();
    let message = "a volume needs exactly one source, such as emptyDir: {}, configMap, secret or hostPath";
    add_rule(&mut item, &rules::exactly_one(&kinds, message));
    list(item, 64, LABEL, 63)
}

/// References to Secrets with a registry's credentials.
pub(crate) fn pull_secrets(generator: &mut SchemaGenerator) -> Schema {
    list(
        generator.subschema_for::<LocalObjectReference>().to_value(),
        16,
        SUBDOMAIN,
        253,
    )
}

/// Labels of pods. Those that the operator finds its pods by, and those that carry grants, are its own.
pub(crate) fn pod_labels(_: &mut SchemaGenerator) -> Schema {
    texts(63, &[rules::own_keys()])
}

/// Annotations of pods, likewise.
pub(crate) fn pod_annotations(_: &mut SchemaGenerator) -> Schema {
    texts(16_384, &[rules::own_keys()])
}

/// Labels of nodes.
pub(crate) fn node_selector(_: &mut SchemaGenerator) -> Schema {
    texts(63, &[])
}

/// Texts by name.
fn texts(max_length: u32, rules: &[Rule]) -> Schema {
    let mut schema = json!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": {"type": "string", "maxLength": max_length},
    });
    if !rules.is_empty() {
        schema["x-kubernetes-validations"] = json!(rules);
    }
    of_value(schema)
}

/// What pods tolerate.
pub(crate) fn tolerations(_: &mut SchemaGenerator) -> Schema {
    plain_list::<Toleration>(64)
}

/// How pods are spread.
pub(crate) fn spread_constraints(_: &mut SchemaGenerator) -> Schema {
    plain_list::<TopologySpreadConstraint>(16)
}

/// What pods are drawn to.
pub(crate) fn affinity(_: &mut SchemaGenerator) -> Schema {
    of_value(of::<Affinity>())
}

/// What is counted for a container. Claims are of devices, which components don't have.
pub(crate) fn resources(_: &mut SchemaGenerator) -> Schema {
    let mut schema = of::<ResourceRequirements>();
    if let Some(fields) = schema["properties"].as_object_mut() {
        fields.remove("claims");
    }
    of_value(schema)
}

/// A list of one of Kubernetes' own types, which is replaced as a whole.
fn plain_list<T: JsonSchema>(max_items: u32) -> Schema {
    of_value(json!({
        "type": "array",
        "items": of::<T>(),
        "maxItems": max_items,
        "x-kubernetes-list-type": "atomic",
    }))
}

fn of_value(schema: Value) -> Schema {
    Schema::try_from(schema).unwrap_or_default()
}

/// The names of an object's fields, sorted.
fn fields(schema: &Value) -> Vec<String> {
    let mut names: Vec<String> = schema["properties"]
        .as_object()
        .map(|fields| fields.keys().cloned().collect())
        .unwrap_or_default();
    names.sort();
    names
}

fn add_rule(schema: &mut Value, rule: &Rule) {
    schema["x-kubernetes-validations"] = json!([rule]);
}

/// Makes a string field required in substance: not empty, bounded, and without a default.
fn key(schema: &mut Value, field: &str, pattern: &str, max_length: u32) {
    let property = &mut schema["properties"][field];
    property["pattern"] = pattern.into();
    property["maxLength"] = max_length.into();
    property["minLength"] = 1.into();
    if let Some(property) = property.as_object_mut() {
        property.remove("default");
    }
}

/// A list that is keyed by the name of its entries.
fn list(mut item: Value, max_items: u32, pattern: &str, max_length: u32) -> Schema {
    key(&mut item, "name", pattern, max_length);
    item["required"] = json!(["name"]);
    strip_descriptions(&mut item, true);
    schemars::json_schema!({
        "type": "array",
        "items": item,
        "maxItems": max_items,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    })
}

/// The schema of one of Kubernetes' own types, as a structural schema without references.
pub(crate) fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let generator = settings.with_transform(StructuralSchemaRewriter).into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    strip_descriptions(&mut schema, true);
    schema
}

/// Kubernetes' metadata, for a document that has to have a name.
pub(crate) fn metadata() -> Value {
    let mut schema = of::<ObjectMeta>();
    key(&mut schema, "name", SUBDOMAIN, 253);
    schema["required"] = json!(["name"]);
    schema
}

/// Kubernetes documents its own types at a length that would make up most of the CRD.
fn strip_descriptions(value: &mut Value, is_schema: bool) {
    match value {
        Value::Object(map) => {
            if is_schema {
                map.remove("description");
            }
            for (key, child) in map.iter_mut() {
                // Below `properties` the keys are names of fields, one of which may be "description".
                strip_descriptions(child, key != "properties" || !is_schema);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| strip_descriptions(item, true)),
        _ => {}
    }
}
