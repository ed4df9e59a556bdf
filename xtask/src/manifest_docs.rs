//! `xtask manifest-docs`: docs/manifest.md from the schema in `api`, so that the page and the schema can't differ. What a field
//! means is said there, in the types' docstrings; only the frame around the tables is here.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

const PAGE: &str = "docs/manifest.md";

const FRAME: &str = "\
<!-- Generated from api/ by `cargo run -p xtask -- manifest-docs`. Do not edit. -->
# The manifest

A file holds one or more documents, separated by `---`: `WasmService`, and on the laptop also `Secret` and `ConfigMap`, which
`valueFrom` is resolved from. [examples/greeter](../examples/greeter/shoal.yaml) is a small one. `shoal validate` says what is
wrong with a manifest, by the same rules as a cluster.

Field names and types follow Kubernetes. Durations are written `10s`, `1m30s`, `250ms`; quantities `64Mi`, `1Gi`, `500k`.
A capability that is absent is denied. A field that this version of Shoal does not act on yet is refused with \"not supported yet\".
";

/// Types of Kubernetes' own, by the last field of their path: their documentation is there.
const KUBERNETES: [(&str, &str); 9] = [
    ("env", "EnvVar, as in a Pod"),
    ("envFrom", "EnvFromSource, as in a Pod"),
    ("volumes", "Volume, as in a Pod"),
    ("imagePullSecrets", "LocalObjectReference, as in a Pod"),
    ("resources", "ResourceRequirements, as in a Container"),
    ("tolerations", "Toleration, as in a Pod"),
    ("affinity", "Affinity, as in a Pod"),
    (
        "topologySpreadConstraints",
        "TopologySpreadConstraint, as in a Pod",
    ),
    ("conditions", "Condition, as everywhere in Kubernetes"),
];

/// Writes the page, or with `check` fails where it is not what would be written.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let page = render(shoal_api::crd::schema());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE);
    if !check {
        return std::fs::write(&path, page).with_context(|| format!("write {}", path.display()));
    }
    if std::fs::read_to_string(&path).unwrap_or_default() != page {
        bail!("{PAGE} is not what api/ says: run `make generate` and commit what changed");
    }
    Ok(())
}

fn render(schema: &Value) -> String {
    let mut page = FRAME.to_owned();
    for part in ["spec", "status"] {
        if let Some(object) = schema.pointer(&format!("/properties/{part}")) {
            section(&mut page, part, object);
        }
    }
    page
}

/// An object's table, then those of the objects in it.
fn section(page: &mut String, path: &str, object: &Value) {
    let _ = write!(page, "\n## `{path}`\n\n");
    if let Some(text) = object["description"].as_str() {
        let _ = write!(page, "{}\n\n", one_line(text));
    }
    let fields: Vec<(&String, &Value)> = object["properties"].as_object().into_iter().flatten().collect();
    if fields.is_empty() {
        page.push_str("It has no fields: `{}`.\n");
    } else {
        page.push_str("| field | type | default | |\n|---|---|---|---|\n");
    }
    for (name, field) in &fields {
        let required = object["required"]
            .as_array()
            .is_some_and(|all| all.iter().any(|each| each == *name));
        let default = match &field["default"] {
            Value::Null if required => "required".to_owned(),
            Value::Null => String::new(),
            // A struct whose fields have defaults of their own.
            Value::Object(_) => "as below".to_owned(),
            Value::String(value) => format!("`{value}`"),
            value => format!("`{value}`"),
        };
        let mut text = one_line(field["description"].as_str().unwrap_or_default());
        // An object's own rules stand in its own section.
        for rule in rules(field).filter(|_| !field["properties"].is_object()) {
            let _ = write!(text, " {}.", sentence(&rule));
        }
        let _ = writeln!(
            page,
            "| `{name}` | {} | {default} | {} |",
            kind(name, field),
            text.replace('|', "\\|")
        );
    }
    let rules: Vec<String> = rules(object).collect();
    if !rules.is_empty() {
        page.push('\n');
    }
    for rule in rules {
        let _ = writeln!(page, "- {rule}");
    }
    for (name, field) in fields {
        if of_kubernetes(name).is_some() {
            continue;
        }
        if field["properties"].is_object() {
            section(page, &format!("{path}.{name}"), field);
        } else if field["items"]["properties"].is_object() {
            section(page, &format!("{path}.{name}[]"), &field["items"]);
        }
    }
}

/// The messages of the field's CEL rules.
fn rules(of: &Value) -> impl Iterator<Item = String> + '_ {
    let rules = of["x-kubernetes-validations"].as_array().into_iter().flatten();
    rules.filter_map(|rule| {
        Some(
            one_line(rule["message"].as_str()?)
                .trim_end_matches('.')
                .to_owned(),
        )
    })
}

/// A rule's message, which an error puts after the field's name, as a sentence of its own.
fn sentence(message: &str) -> String {
    let message = message.strip_prefix("is out of range: ").unwrap_or(message);
    if ["is ", "holds ", "has "]
        .iter()
        .any(|verb| message.starts_with(verb))
    {
        return format!("Refused where it {message}");
    }
    let mut letters = message.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn kind(name: &str, field: &Value) -> String {
    if let Some(known) = of_kubernetes(name) {
        return match field["type"].as_str() {
            Some("array") => format!("list of {known}"),
            _ => known.to_owned(),
        };
    }
    let bounds = |low: &str, high: &str| match (field[low].as_f64(), field[high].as_f64()) {
        (Some(low), Some(high)) => format!(", {low} to {high}"),
        (Some(low), None) => format!(", at least {low}"),
        (None, Some(high)) => format!(", at most {high}"),
        (None, None) => String::new(),
    };
    match field["type"].as_str() {
        Some("array") => format!(
            "list of {}{}",
            kind("", &field["items"]),
            bounds("minItems", "maxItems")
        ),
        Some("string") => match field["enum"].as_array() {
            Some(values) => values
                .iter()
                .map(|value| format!("`{value}`").replace('"', ""))
                .collect::<Vec<_>>()
                .join(", "),
            None => "string".to_owned(),
        },
        Some("object") if field["additionalProperties"].is_object() => "map".to_owned(),
        Some(other) => format!("{other}{}", bounds("minimum", "maximum")),
        None => "any".to_owned(),
    }
}

fn of_kubernetes(name: &str) -> Option<&'static str> {
    KUBERNETES
        .iter()
        .find(|(field, _)| *field == name)
        .map(|(_, known)| *known)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_tells_types_defaults_bounds_and_rules() {
        let schema = serde_json::json!({"properties": {"spec": {
            "description": "What\nruns.",
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "description": "Its name."},
                "count": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3, "description": "How | many"},
                "mode": {"type": "string", "enum": ["Auto", "Packed"]},
                "list": {"type": "array", "minItems": 1, "items": {"type": "object", "properties": {"a": {"type": "boolean"}}}},
                "env": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
                "none": {"type": "object", "properties": {}},
            },
            "x-kubernetes-validations": [{"rule": "…", "message": "name and mode go together."}],
        }}});
        let page = render(&schema);
        for line in [
            "## `spec`",
            "What runs.",
            "| `name` | string | required | Its name. |",
            "| `count` | integer, 1 to 9 | `3` | How \\| many |",
            "| `mode` | `Auto`, `Packed` |  |  |",
            "| `list` | list of object, at least 1 |  |  |",
            "| `env` | list of EnvVar, as in a Pod |  |  |",
            "- name and mode go together",
            "## `spec.list[]`",
            "| `a` | boolean |  |  |",
            "It has no fields: `{}`.",
        ] {
            assert!(
                page.lines().any(|each| each == line),
                "{line:?} is not in:\n{page}"
            );
        }
        assert!(!page.contains("## `spec.env[]`"), "{page}");
    }

    #[test]
    fn a_rule_reads_as_a_sentence() {
        assert_eq!(sentence("is out of range: write 1 to 3"), "Write 1 to 3");
        assert_eq!(
            sentence("holds a segment ..; write it without"),
            "Refused where it holds a segment ..; write it without"
        );
        assert_eq!(sentence("names are unique"), "Names are unique");
    }

    #[test]
    fn the_whole_schema_is_described() {
        let page = render(shoal_api::crd::schema());
        for part in [
            "## `spec.components[].limits`",
            "## `spec.components[].capabilities.network.outbound[]`",
            "## `status`",
        ] {
            assert!(page.contains(part), "{part} is missing");
        }
        let bare: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with('|') && line.ends_with("|  |"))
            .collect();
        assert!(bare.is_empty(), "fields without a description: {bare:#?}");
    }
}
