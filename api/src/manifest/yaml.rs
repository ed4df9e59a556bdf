//! YAML with places: every value knows its line and column. Bounded in depth, in nodes and in what aliases expand to.

use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use crate::problem::{Path, Step};

/// A line and a column, both counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

/// What is wrong with the YAML itself.
pub(super) struct YamlError {
    pub(super) place: Option<Place>,
    pub(super) message: String,
}

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Place,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Scalar(Value),
    List(Vec<Node>),
    /// The keys stand where the first place says.
    Map(Vec<(String, Place, Node)>),
}

/// How deep a value may nest; the deepest field of a WasmService is at level 13. The parser's budget looks at the text
/// alone, and an alias may stand for a value that itself ends in an alias: so what comes out is counted too. A level
/// takes some 50 KB of stack in a debug build.
const MOST_LEVELS: usize = 24;

/// All documents of a text; empty ones are left out.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, YamlError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MOST_LEVELS,
            max_documents: 256,
            max_nodes: 250_000,
            max_anchors: 1_000,
            max_aliases: 1_000,
            max_merge_keys: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 1_000,
        },
        // Modes of files are written as 0644 in every Kubernetes manifest.
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    let nodes: Vec<Spanned<Content>> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| YamlError {
            place: error.location().map(|at| Place {
                line: at.line(),
                column: at.column(),
            }),
            message: format!("is not valid YAML: {}", error.without_snippet()),
        })?;
    Ok(nodes.into_iter().map(Node::from).collect())
}

impl Node {
    /// The value without its places.
    pub(super) fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Node::value).collect(),
            Content::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, _, child)| (key.clone(), child.value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// Where a field stands: that of its key, or of what is closest to it if it is not there.
    pub(super) fn place(&self, path: &Path) -> Place {
        let mut place = self.at;
        let mut node = self;
        for step in &path.0 {
            let next = match (step, &node.content) {
                (Step::Index(index), Content::List(items)) => items.get(*index).map(|item| (item.at, item)),
                (Step::Field(name), Content::Map(entries)) => entries
                    .iter()
                    .find(|(key, _, _)| key == name)
                    .map(|(_, at, child)| (*at, child)),
                _ => None,
            };
            let Some((at, child)) = next else { break };
            (place, node) = (at, child);
        }
        place
    }
}

impl From<Spanned<Content>> for Node {
    fn from(spanned: Spanned<Content>) -> Self {
        Self {
            at: place(&spanned),
            content: spanned.value,
        }
    }
}

fn place<T>(spanned: &Spanned<T>) -> Place {
    Place {
        line: spanned.referenced.line(),
        column: spanned.referenced.column(),
    }
}

thread_local! {
    static LEVEL: Cell<usize> = const { Cell::new(0) };
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let level = LEVEL.get();
        if level >= MOST_LEVELS {
            return Err(serde::de::Error::custom(format_args!(
                "nested deeper than {MOST_LEVELS} levels"
            )));
        }
        LEVEL.set(level + 1);
        let content = deserializer.deserialize_any(ContentVisitor);
        LEVEL.set(level);
        content
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Content, E> {
        Number::from_f64(value)
            .map(|number| Content::Scalar(number.into()))
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Content>>()? {
            list.push(item.into());
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Content, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let at = place(&key);
            map.push((key.value, at, entries.next_value::<Spanned<Content>>()?.into()));
        }
        Ok(Content::Map(map))
    }
}
