//! Evaluates the schema's CEL rules (`x-kubernetes-validations`) as the API server does.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use cel::objects::{Key, Map};
use cel::{Context, Program, Value as Cel};
use serde_json::Value;

use super::walk::Found;
use super::{MOST_PROBLEMS, blame, functions};
use crate::problem::{Path, Problem};

/// Evaluates every rule of the schema on the value that it belongs to, except where the value's shape is wrong.
pub(super) fn evaluate(schema: &Value, value: &Value, found: &mut Vec<Found>) {
    visit(schema, value, &Path::default(), found);
}

fn visit(schema: &Value, value: &Value, path: &Path, found: &mut Vec<Found>) {
    if found.len() >= MOST_PROBLEMS {
        return;
    }
    match value {
        Value::Object(map) => {
            for (name, field) in schema
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                if let Some(child) = map.get(name) {
                    visit(field, child, &path.field(name), found);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                visit(
                    schema.get("items").unwrap_or(&Value::Null),
                    item,
                    &path.index(index),
                    found,
                );
            }
        }
        _ => {}
    }
    let rules = schema.get("x-kubernetes-validations").and_then(Value::as_array);
    for rule in rules.into_iter().flatten() {
        if judgeable(path, found) {
            judge(rule, value, path, found);
        }
    }
}

/// A rule cannot judge a value that has not the shape it expects, nor one with a field that was mistyped.
fn judgeable(path: &Path, found: &[Found]) -> bool {
    let depth = path.0.len();
    !found.iter().any(|other| {
        other.path.0.starts_with(&path.0) && (other.shapeless || other.path.0.len() <= depth + 1)
    })
}

fn judge(rule: &Value, value: &Value, path: &Path, found: &mut Vec<Found>) {
    let text = |key: &str| rule.get(key).and_then(Value::as_str);
    let Some(expression) = text("rule") else { return };
    let passes = |candidate: &Value| run(expression, candidate).map(|outcome| outcome == Cel::Bool(true));
    let verdict = passes(value);
    if verdict == Ok(true) {
        return;
    }
    let culprits = match (&verdict, text("fieldPath")) {
        (Ok(_), Some(list)) => blame::culprits(value, list.trim_start_matches('.'), &|candidate| {
            passes(candidate) == Ok(false)
        }),
        _ => vec![blame::Culprit {
            path: Path::default(),
            value: value.clone(),
        }],
    };
    for culprit in culprits {
        let named = text("messageExpression").and_then(|expression| match run(expression, &culprit.value) {
            Ok(Cel::String(text)) if !text.trim().is_empty() => Some(text.to_string()),
            _ => None,
        });
        let message = match (&verdict, named, text("message")) {
            (Err(error), _, _) => format!("the rule {expression} could not be evaluated: {error}"),
            (_, Some(message), _) => message,
            (_, _, Some(message)) => message.to_owned(),
            _ => format!("breaks the rule {expression}"),
        };
        let path = path.join(&culprit.path);
        found.push(Found {
            problem: Problem::new(&path, message),
            path,
            shapeless: false,
        });
    }
}

/// Evaluates an expression with `self` bound to a value.
pub(super) fn run(expression: &str, value: &Value) -> Result<Cel, String> {
    let mut context = Context::with_env(functions::environment()?);
    context.add_variable_from_value("self", to_cel(value));
    compiled(expression)?
        .execute(&context)
        .map_err(|error| error.to_string())
}

/// There are a few dozen expressions, evaluated again for each entry of each list.
fn compiled(expression: &str) -> Result<Arc<Program>, String> {
    static PROGRAMS: LazyLock<Mutex<HashMap<String, Arc<Program>>>> = LazyLock::new(Mutex::default);
    let mut programs = PROGRAMS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(program) = programs.get(expression) {
        return Ok(program.clone());
    }
    let program = functions::environment()?
        .compile(expression)
        .map_err(|errors| errors.to_string())?;
    let program = Arc::new(program);
    programs.insert(expression.to_owned(), program.clone());
    Ok(program)
}

/// Every whole number becomes an `int`: that is what the schema's integers are in Kubernetes' CEL.
fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(truth) => Cel::Bool(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Cel::Int(whole),
            None => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(map) => {
            let map = map
                .iter()
                .map(|(key, child)| (Key::String(Arc::new(key.clone())), to_cel(child)))
                .collect();
            Cel::Map(Map { map: Arc::new(map) })
        }
    }
}
