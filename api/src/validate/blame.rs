//! Finds which entries of a list make a rule about the whole list fail. CEL says yes or no about the object; a person
//! wants to know which entry. So the rule is asked again about the object with less in it.

use serde_json::Value;

use super::MOST_PROBLEMS;
use crate::problem::Path;

/// An entry that makes a rule fail, and the object reduced to where that entry alone does.
pub(super) struct Culprit {
    pub(super) path: Path,
    pub(super) value: Value,
}

/// The entries of the list `list` of `value`, or the entries of lists inside them, for which `fails` alone.
pub(super) fn culprits(value: &Value, list: &str, fails: &dyn Fn(&Value) -> bool) -> Vec<Culprit> {
    let root = list
        .split('.')
        .fold(Path::default(), |path, name| path.field(name));
    let Some(entries) = value.get(list).and_then(Value::as_array) else {
        return vec![Culprit {
            path: root,
            value: value.clone(),
        }];
    };
    let mut rest = value.clone();
    rest[list] = Value::Null;
    let with = |entries: Vec<Value>| {
        let mut reduced = rest.clone();
        reduced[list] = entries.into();
        reduced
    };
    let bare: Vec<Value> = entries.iter().map(without_lists).collect();
    let mut found = Vec::new();
    let blame = |found: &mut Vec<Culprit>, path: Path, reduced: Value| {
        let guilty = fails(&reduced);
        if guilty && found.len() < MOST_PROBLEMS {
            found.push(Culprit { path, value: reduced });
        }
        guilty
    };
    if fails(&with(bare.clone())) {
        // What is wrong is in the entries themselves: ask about each alone.
        for (index, entry) in entries.iter().enumerate() {
            blame(&mut found, root.index(index), with(vec![entry.clone()]));
        }
    } else {
        // It is in a list inside an entry. The other entries stay, as it may refer to them, but without their lists.
        for (index, entry) in entries.iter().enumerate() {
            for inner in lists(entry) {
                let asking = |items: &[Value]| {
                    let mut others = bare.clone();
                    others[index] = keeping(entry, &inner.pointer, items);
                    with(others)
                };
                if !fails(&asking(inner.items)) {
                    continue;
                }
                for (position, item) in inner.items.iter().enumerate() {
                    blame(
                        &mut found,
                        root.index(index).join(&inner.path).index(position),
                        asking(std::slice::from_ref(item)),
                    );
                }
            }
        }
    }
    if found.is_empty() {
        // No entry fails alone: the first that fails together with those before it, as the second of two equals does.
        let _ = (0..entries.len())
            .any(|last| blame(&mut found, root.index(last), with(entries[..=last].to_vec())));
    }
    if found.is_empty() {
        found.push(Culprit {
            path: root,
            value: value.clone(),
        });
    }
    found
}

/// An entry without the lists in it.
fn without_lists(entry: &Value) -> Value {
    match entry {
        Value::Object(map) => map
            .iter()
            .filter(|(_, child)| !child.is_array())
            .map(|(name, child)| (name.clone(), without_lists(child)))
            .collect(),
        other => other.clone(),
    }
}

/// A list inside an entry.
struct Inner<'a> {
    path: Path,
    pointer: String,
    items: &'a [Value],
}

/// The lists inside an entry, but not those inside other lists.
fn lists(entry: &Value) -> Vec<Inner<'_>> {
    fn collect<'a>(value: &'a Value, path: &Path, pointer: &str, into: &mut Vec<Inner<'a>>) {
        for (name, child) in value.as_object().into_iter().flatten() {
            let path = path.field(name);
            let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
            match child {
                Value::Array(items) => into.push(Inner { path, pointer, items }),
                other => collect(other, &path, &pointer, into),
            }
        }
    }
    let mut into = Vec::new();
    collect(entry, &Path::default(), "", &mut into);
    into
}

/// An entry with some items of one of its lists, and no other list.
fn keeping(entry: &Value, pointer: &str, items: &[Value]) -> Value {
    let mut bare = without_lists(entry);
    let (parent, name) = pointer.rsplit_once('/').unwrap_or(("", pointer));
    if let Some(Value::Object(parent)) = bare.pointer_mut(parent) {
        parent.insert(name.replace("~1", "/").replace("~0", "~"), items.to_vec().into());
    }
    bare
}
