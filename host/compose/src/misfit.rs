//! An import and an export of one name whose types differ: both of them, and where.

use crate::wit::Wit;
use std::fmt;
use wac_types::{DefinedType, FuncTypeId, InterfaceId, ItemKind, Type, Types, ValueType};

/// Differences that are shown; the first ones explain the rest.
const MOST: usize = 8;
/// How deep types are compared for the place where they differ.
const DEPTH: usize = 16;

/// An import that does not fit the export that it is linked to.
#[derive(Debug)]
pub struct Misfit {
    /// Whose import it is.
    pub part: String,
    /// The import.
    pub import: String,
    /// Whose export it is.
    pub provider: String,
    /// The export.
    pub export: String,
    /// What differs, as WIT.
    pub differences: Vec<Difference>,
    /// What the type checker says.
    pub reason: String,
}

/// One function or type that differs.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// What is imported.
    pub wanted: String,
    /// What is exported under that name, if anything is.
    pub found: Option<String>,
    /// Where inside of it they differ, with what stands there in each.
    pub place: Option<String>,
}

impl std::error::Error for Misfit {}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            part,
            import,
            provider,
            export,
            differences,
            reason,
        } = self;
        write!(
            f,
            "component {part}: links: its import {import} does not fit the export {export} of {provider}"
        )?;
        if differences.is_empty() {
            return write!(f, ": {reason}");
        }
        let width = part.len() + " imports".len();
        let exports = format!("{provider} exports");
        let width = width.max(exports.len());
        let imports = format!("{part} imports");
        for Difference { wanted, found, place } in differences.iter().take(MOST) {
            write!(f, "\n  {imports:width$}  {wanted}")?;
            match found {
                Some(found) => write!(f, "\n  {exports:width$}  {found}")?,
                None => write!(f, "\n  {exports:width$}  nothing of that name")?,
            }
            if let Some(place) = place {
                write!(f, "\n  {:width$}  {place}", "they differ in")?;
            }
        }
        if differences.len() > MOST {
            write!(f, "\n  and {} more", differences.len() - MOST)?;
        }
        Ok(())
    }
}

/// All that the import has and the export has not, or has otherwise.
pub(crate) fn differences(types: &Types, import: InterfaceId, export: InterfaceId) -> Vec<Difference> {
    let (wanted, found) = (Wit::new(types, import), Wit::new(types, export));
    let mut differences = Vec::new();
    for (name, item) in &types[import].exports {
        let other = types[export].exports.get(name);
        let pair = match (item, other) {
            (ItemKind::Func(a), Some(ItemKind::Func(b))) => {
                let place = function(&wanted, *a, &found, *b);
                // The texts can be the same where a type that they name is not.
                place.map(|place| {
                    (
                        wanted.function(name, *a),
                        Some(found.function(name, *b)),
                        Some(place),
                    )
                })
            }
            (ItemKind::Type(Type::Value(a)), Some(ItemKind::Type(Type::Value(b)))) => {
                value(&wanted, *a, &found, *b, DEPTH).map(|place| {
                    (
                        wanted.definition(name, *a),
                        Some(found.definition(name, *b)),
                        Some(place),
                    )
                })
            }
            (ItemKind::Type(Type::Resource(_)), Some(ItemKind::Type(Type::Resource(_)))) => None,
            (item, other) => Some((
                any(&wanted, name, item),
                other.map(|other| any(&found, name, other)),
                None,
            )),
        };
        if let Some((wanted, found, place)) = pair {
            differences.push(Difference { wanted, found, place });
        }
    }
    differences
}

fn any(wit: &Wit<'_>, name: &str, item: &ItemKind) -> String {
    match item {
        ItemKind::Func(id) => wit.function(name, *id),
        ItemKind::Type(Type::Value(ty)) => wit.definition(name, *ty),
        ItemKind::Type(Type::Resource(_)) => format!("resource {name}"),
        other => format!("{} {name}", other.desc(wit.types)),
    }
}

fn function(a: &Wit<'_>, x: FuncTypeId, b: &Wit<'_>, y: FuncTypeId) -> Option<String> {
    let (one, other) = (&a.types[x], &b.types[y]);
    if one.is_async != other.is_async {
        return Some("async: one is asynchronous and one is not".to_owned());
    }
    if one.params.len() != other.params.len() {
        return Some(format!(
            "{} and {} parameters",
            one.params.len(),
            other.params.len()
        ));
    }
    for ((name, ty), (name_other, ty_other)) in one.params.iter().zip(&other.params) {
        if name != name_other {
            return Some(format!("the names of parameters: {name} and {name_other}"));
        }
        if let Some(place) = value(a, *ty, b, *ty_other, DEPTH) {
            return Some(format!("parameter {name}: {place}"));
        }
    }
    match (one.result, other.result) {
        (Some(x), Some(y)) => value(a, x, b, y, DEPTH).map(|place| format!("the result: {place}")),
        (None, None) => None,
        (x, y) => Some(format!("the result: {} and {}", text(a, x), text(b, y))),
    }
}

fn text(wit: &Wit<'_>, ty: Option<ValueType>) -> String {
    ty.map_or_else(|| "none".to_owned(), |ty| wit.value(ty))
}

/// Where two types differ: the way there, and what stands there in each.
fn value(a: &Wit<'_>, x: ValueType, b: &Wit<'_>, y: ValueType, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    let (x, y) = (a.types.resolve_value_type(x), b.types.resolve_value_type(y));
    let both = || Some(format!("{} and {}", a.value(x), b.value(y)));
    let inside = |name: &str, x: ValueType, y: ValueType| {
        value(a, x, b, y, depth).map(|place| format!("{name}: {place}"))
    };
    let maybe = |name: &str, x: Option<ValueType>, y: Option<ValueType>| match (x, y) {
        (Some(x), Some(y)) => inside(name, x, y),
        (None, None) => None,
        (x, y) => Some(format!("{name}: {} and {}", text(a, x), text(b, y))),
    };
    let (x, y) = match (x, y) {
        (ValueType::Primitive(one), ValueType::Primitive(other)) if one == other => return None,
        (ValueType::Own(one), ValueType::Own(other)) | (ValueType::Borrow(one), ValueType::Borrow(other))
            if a.resource(one) == b.resource(other) =>
        {
            return None;
        }
        (ValueType::Defined(x), ValueType::Defined(y)) => (x, y),
        _ => return both(),
    };
    match (&a.types[x], &b.types[y]) {
        (DefinedType::Record(one), DefinedType::Record(other)) => {
            let (names, others): (Vec<_>, Vec<_>) =
                (one.fields.keys().collect(), other.fields.keys().collect());
            if names != others {
                return Some(lists("fields", &names, &others));
            }
            let mut pairs = one.fields.iter().zip(other.fields.values());
            pairs.find_map(|((name, x), y)| inside(&format!("field {name}"), *x, *y))
        }
        (DefinedType::Variant(one), DefinedType::Variant(other)) => {
            let (names, others): (Vec<_>, Vec<_>) =
                (one.cases.keys().collect(), other.cases.keys().collect());
            if names != others {
                return Some(lists("cases", &names, &others));
            }
            let mut pairs = one.cases.iter().zip(other.cases.values());
            pairs.find_map(|((name, x), y)| maybe(&format!("case {name}"), *x, *y))
        }
        (DefinedType::Enum(one), DefinedType::Enum(other)) => {
            let (names, others): (Vec<_>, Vec<_>) = (one.0.iter().collect(), other.0.iter().collect());
            (names != others).then(|| lists("cases", &names, &others))
        }
        (DefinedType::Flags(one), DefinedType::Flags(other)) => {
            let (names, others): (Vec<_>, Vec<_>) = (one.0.iter().collect(), other.0.iter().collect());
            (names != others).then(|| lists("flags", &names, &others))
        }
        (DefinedType::Tuple(one), DefinedType::Tuple(other)) if one.len() == other.len() => {
            let mut pairs = one.iter().zip(other).enumerate();
            pairs.find_map(|(at, (x, y))| inside(&format!("element {at}"), *x, *y))
        }
        (DefinedType::List(x), DefinedType::List(y)) => inside("list", *x, *y),
        (DefinedType::FixedSizeList(x, n), DefinedType::FixedSizeList(y, m)) if n == m => {
            inside("list", *x, *y)
        }
        (DefinedType::Option(x), DefinedType::Option(y)) => inside("option", *x, *y),
        (DefinedType::Map(k, x), DefinedType::Map(l, y)) => {
            inside("key", *k, *l).or_else(|| inside("value", *x, *y))
        }
        (DefinedType::Result { ok: x, err: e }, DefinedType::Result { ok: y, err: g }) => {
            maybe("ok", *x, *y).or_else(|| maybe("error", *e, *g))
        }
        (DefinedType::Stream(x), DefinedType::Stream(y)) => maybe("stream", *x, *y),
        (DefinedType::Future(x), DefinedType::Future(y)) => maybe("future", *x, *y),
        _ => both(),
    }
}

fn lists(what: &str, one: &[&String], other: &[&String]) -> String {
    let join = |names: &[&String]| names.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", ");
    format!("{what}: {{ {} }} and {{ {} }}", join(one), join(other))
}
