//! `xtask chart`: what of charts/shoal is made from elsewhere. The definitions come from `crds/`, docs/chart.md from the schema of its
//! values, its version from the workspace. The templates themselves are written by hand.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

const CHART: &str = "charts/shoal";
const PAGE: &str = "docs/chart.md";
const CRD: &str = "wasmservices.shoal.dev.yaml";

const FRAME: &str = include_str!("chart/page.md");

/// Writes what is generated, or with `check` fails where it is not what would be written. Fails in both where the chart's values and
/// their schema, or its version and the workspace's, differ.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let chart = yaml("Chart.yaml")?;
    for field in ["version", "appVersion"] {
        if chart[field] != env!("CARGO_PKG_VERSION") {
            bail!(
                "{CHART}/Chart.yaml: {field} is {}, and the workspace's version is {}",
                chart[field],
                env!("CARGO_PKG_VERSION")
            );
        }
    }
    let schema: Value = serde_json::from_str(&read(&format!("{CHART}/values.schema.json"))?)?;
    let page = page(&schema, &yaml("values.yaml")?)?;
    let crd = read(&format!("crds/{CRD}"))?;
    for (path, content) in [
        (PAGE.to_owned(), page),
        (format!("{CHART}/files/crds/{CRD}"), crd),
    ] {
        if !check {
            std::fs::write(rooted(&path), content).with_context(|| format!("{path} can't be written"))?;
        } else if std::fs::read_to_string(rooted(&path)).unwrap_or_default() != content {
            bail!("{path} is not what it is made from: run `make generate` and commit what changed");
        }
    }
    Ok(())
}

fn rooted(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(rooted(path)).with_context(|| format!("{path} can't be read"))
}

fn yaml(name: &str) -> anyhow::Result<Value> {
    let path = format!("{CHART}/{name}");
    serde_saphyr::from_str(&read(&path)?).with_context(|| format!("{path} is no YAML"))
}

fn page(schema: &Value, values: &Value) -> anyhow::Result<String> {
    let mut rows = String::new();
    table(&mut rows, "", schema, values)?;
    Ok(FRAME.replace("{values}\n", &rows))
}

/// A row for each value, those of objects below each other.
fn table(rows: &mut String, above: &str, schema: &Value, values: &Value) -> anyhow::Result<()> {
    let properties = schema["properties"].as_object();
    for known in values.as_object().into_iter().flatten().map(|(key, _)| key) {
        if properties.is_none_or(|properties| !properties.contains_key(known)) {
            bail!("values.yaml: {above}{known} is not in values.schema.json");
        }
    }
    for (key, value) in properties.into_iter().flatten() {
        let path = format!("{above}{key}");
        let Some(text) = value["description"].as_str() else {
            bail!("values.schema.json: {path} has no description");
        };
        let default = &values[key];
        if value["properties"].is_object() && !is_kubernetes(key) {
            if value["additionalProperties"] != false {
                bail!("values.schema.json: {path} takes unknown fields: set additionalProperties to false");
            }
            table(rows, &format!("{path}."), value, default)?;
            continue;
        }
        let default = match default {
            Value::Null => String::new(),
            default => format!("`{default}`"),
        };
        let _ = writeln!(rows, "| `{path}` | {default} | {} |", text.replace('|', "\\|"));
    }
    Ok(())
}

/// Fields that are as Kubernetes has them: documented there, as one value.
fn is_kubernetes(key: &str) -> bool {
    ["resources", "overhead"].contains(&key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_value_is_described_and_none_is_unknown() {
        let schema = json!({"properties": {
            "a": {"description": "An a.", "type": "string"},
            "b": {"description": "Some.", "additionalProperties": false, "properties": {"c": {"description": "A c."}}},
        }});
        let made = page(&schema, &json!({"a": "x", "b": {"c": [1]}})).unwrap();
        assert!(
            made.contains("| `a` | `\"x\"` | An a. |\n| `b.c` | `[1]` | A c. |\n"),
            "{made}"
        );
        let unknown = page(&schema, &json!({"b": {"d": 1}})).unwrap_err().to_string();
        assert!(unknown.contains("b.d"), "{unknown}");
        let lax = json!({"properties": {"b": {"description": "Some.", "properties": {}}}});
        assert!(page(&lax, &json!({})).is_err());
        let silent = json!({"properties": {"a": {}}});
        assert!(page(&silent, &json!({})).is_err());
    }
}
