//! Holds the schema's rules against the manifests in `tests/bad` and `tests/good`: each rule is broken by one and
//! kept by another, and its text is within what Kubernetes' CEL has.

use std::collections::BTreeSet;

use cel::Value as Cel;
use serde_json::Value;

use super::*;

fn manifests(folder: &str) -> Vec<Value> {
    let folder = format!("{}/tests/{folder}", env!("CARGO_MANIFEST_DIR"));
    let mut documents = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        // Those that are no YAML break no rule.
        documents.extend(serde_saphyr::from_multiple::<Value>(&text).unwrap_or_default());
    }
    documents.retain(|document| document["kind"] == KIND && document["spec"].is_object());
    for document in &mut documents {
        defaults::apply(service_schema(), document);
    }
    documents
}

/// Calls `visit` with each rule of the schema, named by where it is, and each value that the rule is about.
fn pair(schema: &Value, values: &[&Value], at: &str, visit: &mut impl FnMut(&str, &Value, &[&Value])) {
    for rule in schema["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        visit(at, rule, values);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let children: Vec<&Value> = values.iter().filter_map(|value| value.get(name)).collect();
        pair(field, &children, &format!("{at}.{name}"), visit);
    }
    if let Some(item) = schema.get("items") {
        let children: Vec<&Value> = values
            .iter()
            .filter_map(|value| value.as_array())
            .flatten()
            .collect();
        pair(item, &children, &format!("{at}[]"), visit);
    }
}

/// The rules that come out as `verdict` for some value of the manifests.
fn rules_that_say(verdict: bool, folder: &str) -> BTreeSet<String> {
    let manifests = manifests(folder);
    let mut said = BTreeSet::new();
    pair(
        service_schema(),
        &manifests.iter().collect::<Vec<_>>(),
        "",
        &mut |at, rule, values| {
            let expression = rule["rule"].as_str().unwrap();
            if values
                .iter()
                .any(|value| rules::run(expression, value) == Ok(Cel::Bool(verdict)))
            {
                said.insert(format!("{at}: {expression}"));
            }
        },
    );
    said
}

#[test]
fn every_rule_is_broken_by_a_bad_manifest_and_kept_by_a_good_one() {
    let mut every = BTreeSet::new();
    pair(service_schema(), &[], "", &mut |at, rule, _| {
        every.insert(format!("{at}: {}", rule["rule"].as_str().unwrap()));
    });
    assert!(every.len() > 30, "{}", every.len());
    let unbroken: Vec<_> = every.difference(&rules_that_say(false, "bad")).cloned().collect();
    assert!(
        unbroken.is_empty(),
        "no manifest in tests/bad breaks:\n{}",
        unbroken.join("\n")
    );
    let unkept: Vec<_> = every.difference(&rules_that_say(true, "good")).cloned().collect();
    assert!(
        unkept.is_empty(),
        "no manifest in tests/good keeps:\n{}",
        unkept.join("\n")
    );
}

#[test]
fn every_rule_and_message_compiles_and_the_message_is_one_line() {
    let environment = functions::environment().unwrap();
    pair(service_schema(), &[], "", &mut |at, rule, _| {
        environment.compile(rule["rule"].as_str().unwrap()).unwrap();
        match (rule["message"].as_str(), rule["messageExpression"].as_str()) {
            (Some(message), None) => {
                assert!(!message.contains('\n') && message.len() < 2048, "{at}: {message}")
            }
            (None, Some(expression)) => {
                environment.compile(expression).unwrap();
            }
            other => panic!("{at}: a rule needs one message: {other:?}"),
        }
    });
}

#[test]
fn every_pattern_is_one_that_both_sides_understand() {
    fn patterns(schema: &Value, into: &mut BTreeSet<String>) {
        match schema {
            Value::Object(map) => {
                into.extend(map.get("pattern").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|child| patterns(child, into));
            }
            Value::Array(items) => items.iter().for_each(|child| patterns(child, into)),
            _ => {}
        }
    }
    let mut every = BTreeSet::new();
    patterns(crd::schema(), &mut every);
    assert!(every.len() > 5);
    for pattern in every {
        regex::Regex::new(&pattern).unwrap();
        assert!(pattern.starts_with('^'), "{pattern} is not anchored");
    }
}

/// The patterns of durations and quantities and their parsers are written separately; what one takes, the other does.
#[test]
fn what_the_schema_admits_the_types_can_read() {
    let duration = regex::Regex::new(crate::Duration::PATTERN).unwrap();
    for (text, good) in [
        ("1h2m3s4ms5us", true),
        ("1.5s", true),
        ("0.000000001h", true),
        ("999999999us", true),
        ("1s1s", true),
        ("1", false),
        ("1ns", false),
        ("-1s", false),
        ("1.s", false),
        ("1 s", false),
        ("1234567890s", false),
    ] {
        assert_eq!(
            (duration.is_match(text), text.parse::<crate::Duration>().is_ok()),
            (good, good),
            "{text}"
        );
    }
    let quantity = regex::Regex::new(crate::Quantity::PATTERN).unwrap();
    for (text, good) in [
        ("64Mi", true),
        ("0", true),
        ("1.5Gi", true),
        ("123456789012345k", true),
        ("0.000000001T", true),
        ("64mi", false),
        ("1e3", false),
        ("-1", false),
        (".5", false),
        ("1 Mi", false),
        ("1234567890123456", false),
    ] {
        assert_eq!(
            (quantity.is_match(text), text.parse::<crate::Quantity>().is_ok()),
            (good, good),
            "{text}"
        );
    }
}

#[test]
fn hosts_are_judged_as_kubernetes_judges_them() {
    let rule = r"self.matches('^([*][.])?([a-z0-9]([-a-z0-9]*[a-z0-9])?[.])*[a-z]([-a-z0-9]*[a-z0-9])?$') || isIP(self) || isCIDR(self)";
    for (host, good) in [
        ("localhost", true),
        ("api.example.com", true),
        ("*.example.com", true),
        ("1password.example", true),
        ("192.0.2.1", true),
        ("2001:db8::1", true),
        ("10.0.0.0/8", true),
        ("10.1.2.3/8", true),
        ("2001:db8::/32", true),
        ("0.0.0.0/0", true),
        ("::/0", true),
        ("", false),
        ("*", false),
        ("a.*.com", false),
        ("API.example.com", false),
        ("api.example.com.", false),
        ("api_1.example.com", false),
        ("-a.example.com", false),
        ("10.0.0.256", false),
        ("10.0.0.01", false),
        ("10.0.0.0/33", false),
        ("10.0.0.0/08", false),
        ("10.0.0.0/+8", false),
        ("10.0.0.0/", false),
        ("::ffff:10.0.0.1", false),
        ("fe80::1%eth0", false),
        ("[2001:db8::1]", false),
        ("2001:db8::/129", false),
    ] {
        assert_eq!(rules::run(rule, &host.into()), Ok(Cel::Bool(good)), "{host:?}");
    }
}
