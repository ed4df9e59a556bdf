//! Which types can go from one store to another: values, and nothing that stays behind where it came from. Found before anything runs.

use crate::import::Interface;
use crate::text;
use std::fmt;
use wasmtime::component::Type;
use wasmtime::component::types::ComponentFunc;

/// A type that can't cross, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{function}: {place}{what} can't go from one service to another: {reason}")]
pub struct Uncrossable {
    /// The function, or the resource's name.
    pub function: String,
    /// The way to it in the function's type.
    pub place: Place,
    /// What it is.
    pub what: &'static str,
    /// Why it stays behind.
    pub reason: &'static str,
}

/// The way to a type inside another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place(Vec<String>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| write!(f, "{step}: "))
    }
}

const RESOURCE: (&str, &str) = (
    "a resource",
    "it is a handle to something in its own service's memory. Pass a name or a number for it, or link the component itself \
     (component: NAME)",
);
const STREAM: (&str, &str) = (
    "a stream or future",
    "it is read while both ends run, and calls between services take whole values. Pass a list, or use wasi:http between the two",
);
const ASYNC: (&str, &str) = (
    "an asynchronous function",
    "calls between services take whole values and return once. Declare it as func, or use wasi:http between the two",
);
const UNKNOWN: (&str, &str) = (
    "a type of this kind",
    "this version of Shoal does not know how to copy it",
);

/// Everything in an interface that can't cross.
///
/// # Errors
///
/// All of it, in the order of the interface.
pub fn check(interface: &Interface) -> Result<(), Vec<Uncrossable>> {
    let mut found: Vec<_> = interface
        .resources
        .iter()
        .map(|name| uncrossable(name, Place::default(), RESOURCE))
        .collect();
    for (name, function) in &interface.functions {
        // Of methods the resource itself is told.
        if !name.starts_with('[') {
            found.extend(look(name, function));
        }
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

fn uncrossable(function: &str, place: Place, (what, reason): (&'static str, &'static str)) -> Uncrossable {
    Uncrossable {
        function: function.to_owned(),
        place,
        what,
        reason,
    }
}

fn look(name: &str, function: &ComponentFunc) -> Option<Uncrossable> {
    if function.async_() {
        return Some(uncrossable(name, Place::default(), ASYNC));
    }
    let params = function
        .params()
        .map(|(name, ty)| (format!("parameter {name}"), ty));
    let results = function.results().map(|ty| ("the result".to_owned(), ty));
    params.chain(results).find_map(|(step, ty)| {
        let mut way = vec![step];
        let what = walk(&ty, &mut way)?;
        Some(uncrossable(name, Place(way), what))
    })
}

/// The first type within that stays behind; `way` is where it stands.
fn walk(ty: &Type, way: &mut Vec<String>) -> Option<(&'static str, &'static str)> {
    let mut within = |step: String, ty: Option<Type>| {
        way.push(step);
        let found = walk(&ty?, way);
        if found.is_none() {
            way.pop();
        }
        found
    };
    match ty {
        Type::Bool
        | Type::S8
        | Type::U8
        | Type::S16
        | Type::U16
        | Type::S32
        | Type::U32
        | Type::S64
        | Type::U64
        | Type::Float32
        | Type::Float64
        | Type::Char
        | Type::String
        | Type::Enum(_)
        | Type::Flags(_) => None,
        Type::Own(_) | Type::Borrow(_) => Some(RESOURCE),
        Type::Stream(_) | Type::Future(_) | Type::ErrorContext => Some(STREAM),
        Type::List(it) => within("list".to_owned(), Some(it.ty())),
        Type::Option(it) => within("option".to_owned(), Some(it.ty())),
        Type::Tuple(it) => it
            .types()
            .enumerate()
            .find_map(|(at, ty)| within(format!("element {at}"), Some(ty))),
        Type::Record(it) => it
            .fields()
            .find_map(|field| within(format!("field {}", field.name), Some(field.ty))),
        Type::Variant(it) => it
            .cases()
            .filter(|case| case.ty.is_some())
            .find_map(|case| within(format!("case {}", case.name), case.ty)),
        Type::Result(it) => {
            let ok = it.ok().and_then(|ty| within("ok".to_owned(), Some(ty)));
            ok.or_else(|| it.err().and_then(|ty| within("error".to_owned(), Some(ty))))
        }
        _ => Some(UNKNOWN),
    }
}

/// A function that is imported with one type and exported with another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\n  imported  {wanted}\n  exported  {}", found.as_deref().unwrap_or("nothing of that name"))]
pub struct Misfit {
    /// As it is imported.
    pub wanted: String,
    /// As it is exported, if anything is under that name.
    pub found: Option<String>,
}

/// Whether all functions of an import are exported with the same types.
///
/// # Errors
///
/// Each that is not.
pub fn fits(import: &Interface, export: &Interface) -> Result<(), Vec<Misfit>> {
    let mut misfits = Vec::new();
    for (name, wanted) in &import.functions {
        let found = export.functions.iter().find(|(other, _)| other == name);
        if found.is_some_and(|(_, found)| same(wanted, found)) {
            continue;
        }
        misfits.push(Misfit {
            wanted: text::function(name, wanted),
            found: found.map(|(name, found)| text::function(name, found)),
        });
    }
    if misfits.is_empty() { Ok(()) } else { Err(misfits) }
}

fn same(one: &ComponentFunc, other: &ComponentFunc) -> bool {
    one.async_() == other.async_() && one.params().eq(other.params()) && one.results().eq(other.results())
}
