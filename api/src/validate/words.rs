//! What is said about each kind of structural mistake. Where the schema describes a field, its words are used.

use serde_json::{Map, Value};

use super::suggest::closest;
use crate::problem::{Path, Problem};
use crate::schema::{
    CRON, ENV_NAME, HOSTS, HTTP_PATH, IMAGE, INTERFACE, KEY, LABEL, MOUNT_PATH, REDIS_URL, SUBDOMAIN,
    TIME_ZONE,
};
use crate::{Duration, Ports, Quantity};

pub(super) fn wrong_type(schema: &Value, value: &Value, path: &Path) -> Problem {
    let expected = match schema.get("type").and_then(Value::as_str) {
        Some("object") => "an object (fields below it)",
        Some("array") => "a list",
        Some("boolean") => "true or false",
        Some("integer") => "a whole number",
        Some("number") => "a number",
        Some("string") => "a text",
        _ => "a whole number or a text",
    };
    let problem = match value {
        Value::Null => {
            return Problem::new(path, "is empty").hint(format!("write {expected}, or remove the line"));
        }
        Value::Object(_) => Problem::new(path, format!("has to be {expected}, not an object")),
        Value::Array(_) => Problem::new(path, format!("has to be {expected}, not a list")),
        plain => Problem::new(path, format!("has to be {expected}, not {}", excerpt(plain))),
    };
    match (schema.get("type").and_then(Value::as_str), value) {
        (Some("string"), Value::Number(_) | Value::Bool(_)) => {
            let known = schema.get("pattern").and_then(Value::as_str).and_then(described);
            problem.hint(match known {
                Some(what) => format!("write {what}, in quotes: \"{value}\""),
                None => format!("write it in quotes: \"{value}\""),
            })
        }
        (Some("integer" | "boolean"), Value::String(text)) if serde_json::from_str::<Value>(text).is_ok() => {
            problem.hint("write it without quotes")
        }
        (Some("array"), _) => {
            problem.hint("start each entry on a line of its own with \"- \", or write [a, b]")
        }
        _ => problem,
    }
}

pub(super) fn not_in_enum(choices: &[Value], value: &Value, path: &Path) -> Problem {
    let names: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
    let problem = Problem::new(
        path,
        format!("is {}; it has to be one of {}", excerpt(value), names.join(", ")),
    );
    match value.as_str().and_then(|typed| closest(typed, names)) {
        Some(meant) => problem.hint(format!("did you mean {meant}?")),
        None => problem,
    }
}

pub(super) fn unknown_field(fields: &Map<String, Value>, guess: Option<&str>, path: &Path) -> Problem {
    let problem = Problem::new(path, "is not a field that exists here");
    match guess {
        Some(meant) => problem.hint(format!("did you mean {meant}?")),
        None if fields.is_empty() => problem.hint("remove it; nothing can be set here"),
        None => {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            problem.hint(format!("the fields are {}", names.join(", ")))
        }
    }
}

pub(super) fn missing(field: &Value, path: &Path) -> Problem {
    let problem = Problem::new(path, "is missing");
    match summary(field) {
        Some(summary) => problem.hint(summary),
        None => problem,
    }
}

pub(super) fn twice(key: &Value, first: usize, path: &Path) -> Problem {
    Problem::new(
        path,
        format!("is {}, as in entry [{first}] already", excerpt(key)),
    )
    .hint("rename or remove one of the two")
}

pub(super) fn out_of_range(value: &Value, least: Option<f64>, most: Option<f64>, path: &Path) -> Problem {
    let range = match (least, most) {
        (Some(least), Some(most)) => format!("from {least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => "in range".to_owned(),
    };
    Problem::new(path, format!("is {value}; it has to be {range}"))
}

pub(super) fn wrong_length(
    what: &str,
    count: u64,
    least: Option<u64>,
    most: Option<u64>,
    path: &Path,
) -> Problem {
    if count == 0 {
        return Problem::new(path, "is empty").hint(format!("at least {} {what}", least.unwrap_or(1)));
    }
    match most {
        Some(most) if count > most => {
            Problem::new(path, format!("has {count} {what}; at most {most} are allowed"))
        }
        _ => Problem::new(
            path,
            format!("has {count} {what}; at least {} are needed", least.unwrap_or(1)),
        ),
    }
}

pub(super) fn no_match(schema: &Value, pattern: &str, text: &str, path: &Path) -> Problem {
    let text = excerpt(&text.into());
    match (described(pattern), summary(schema)) {
        (Some(what), _) => Problem::new(path, format!("is {text}; write {what}")),
        (None, Some(summary)) => Problem::new(path, format!("is {text}, which does not fit")).hint(summary),
        (None, None) => Problem::new(path, format!("is {text}, which does not match {pattern}")),
    }
}

/// The patterns that occur often, in words.
fn described(pattern: &str) -> Option<&'static str> {
    Some(match pattern {
        LABEL => "lower-case letters, digits and '-', starting and ending with a letter or digit",
        SUBDOMAIN => "lower-case letters, digits, '-' and '.', starting and ending with a letter or digit",
        HOSTS => "a host: a name, *.name, *, an IP address, or a range such as 10.0.0.0/8",
        KEY => "letters, digits, '-', '_' and '.'",
        INTERFACE => "an interface as namespace:package/interface, such as acme:auth/check",
        CRON => "five fields (minute, hour, day of month, month, day of week), such as \"*/5 * * * *\"",
        IMAGE => "an image reference without spaces, with a whole sha256 digest if it has one",
        HTTP_PATH => "a path that starts with / and has no ?, # or spaces",
        MOUNT_PATH => "an absolute path without a trailing or doubled slash",
        REDIS_URL => "a URL as redis://host:port or rediss://host:port",
        TIME_ZONE => "a name of the tz database, such as Europe/Berlin",
        ENV_NAME => "a name without an equals sign",
        Duration::PATTERN => "numbers with a unit (h, m, s, ms, us), such as 10s or 1m30s",
        Ports::PATTERN => "a number from 1 to 65535, or a range such as 8000-8999",
        Quantity::PATTERN => "a number with a suffix (Ki, Mi, Gi, Ti, k, M, G, T), such as 64Mi",
        _ => return None,
    })
}

/// The first sentence of a field's description.
fn summary(schema: &Value) -> Option<String> {
    let text = schema.get("description")?.as_str()?;
    let end = text.find(". ").map_or(text.len(), |end| end + 1);
    Some(text[..end].trim_end_matches('.').replace('\n', " "))
}

/// A value as it stands in the manifest, short enough for a message. What is in a manifest may be hostile: control
/// characters are escaped.
fn excerpt(value: &Value) -> String {
    let text = match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
