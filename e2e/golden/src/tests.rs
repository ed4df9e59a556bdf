//! Each promise, kept and broken.

use super::*;
use serde::Deserialize;
use serde_json::json;
use std::panic::catch_unwind;

#[derive(Serialize, Deserialize)]
struct Row {
    id: String,
    #[serde(default)]
    size: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Two versions, of which the second has these contents.
fn golden(second: &Value) -> (tempfile::TempDir, Golden) {
    let folder = tempfile::tempdir().unwrap();
    for (version, content) in [(1, &json!({"id": "a"})), (2, second)] {
        let folder = folder.path().join(format!("tests/golden/v{version}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("row.json"), content.to_string()).unwrap();
    }
    let golden = Golden::new(folder.path(), 2);
    (folder, golden)
}

fn fails(check: impl FnOnce(&Golden) + std::panic::UnwindSafe, second: Value) -> bool {
    catch_unwind(move || {
        let (_folder, golden) = golden(&second);
        check(&golden);
    })
    .is_err()
}

#[test]
fn a_type_that_writes_something_else_than_its_file_is_found() {
    assert!(!fails(
        |it| it.current::<Row>("row.json"),
        json!({"id": "a", "size": 1})
    ));
    // A field that the file has not, and one that the type has no longer.
    assert!(fails(|it| it.current::<Row>("row.json"), json!({"id": "a"})));
    assert!(fails(
        |it| it.current::<Row>("row.json"),
        json!({"id": "a", "size": 1, "colour": "red"})
    ));
}

#[test]
fn a_field_that_no_file_has_is_found_by_the_shape() {
    let schema = |note: bool| {
        let mut schema = json!({"title": "Row", "type": "object", "properties": {"id": {"type": "string", "description": "…"}}});
        if note {
            schema["properties"]["note"] = json!({"type": ["string", "null"]});
        }
        schema
    };
    let shape = json!({"type": "object", "properties": {"id": {"type": "string"}}});
    assert!(!fails(|it| it.shape("row.json", &schema(false)), shape.clone()));
    assert!(fails(|it| it.shape("row.json", &schema(true)), shape));
}

#[test]
fn every_version_is_read() {
    let (_folder, golden) = golden(&json!({"id": "b", "size": 1, "note": "c"}));
    let rows = golden.read_all::<Row>("row.json");
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.id.as_str(), row.note.as_deref()))
        .collect();
    assert_eq!(rows, [("a", None), ("b", Some("c"))]);
    assert!(fails(
        |it| drop(it.read_all::<Row>("row.json")),
        json!({"size": 1})
    ));
}

#[test]
fn the_version_before_has_to_find_its_own() {
    assert!(!fails(
        |it| it.readable_before("row.json"),
        json!({"id": "a", "size": 1})
    ));
    assert!(fails(|it| it.readable_before("row.json"), json!({"name": "a"})));
    assert!(fails(
        |it| it.readable_before("row.json"),
        json!({"id": {"text": "a"}})
    ));
}
