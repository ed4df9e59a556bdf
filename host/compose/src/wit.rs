//! Types as WIT writes them, for errors. What they are is wac's.

use std::collections::HashMap;
use wac_types::{
    DefinedType, DefinedTypeId, FuncTypeId, InterfaceId, ItemKind, ResourceId, Type, Types, ValueType,
};

/// How deep types are written out: as deep as anybody reads.
const DEPTH: usize = 8;

/// The types of one interface, with the names that it gives them.
pub(crate) struct Wit<'a> {
    pub(crate) types: &'a Types,
    names: HashMap<DefinedTypeId, &'a str>,
    resources: HashMap<ResourceId, &'a str>,
}

impl<'a> Wit<'a> {
    pub(crate) fn new(types: &'a Types, interface: InterfaceId) -> Self {
        let mut wit = Self {
            types,
            names: HashMap::new(),
            resources: HashMap::new(),
        };
        for (name, item) in &types[interface].exports {
            match item {
                ItemKind::Type(Type::Value(ValueType::Defined(id))) => wit.name(*id, name),
                ItemKind::Type(Type::Resource(id)) => {
                    wit.resources.insert(*id, name);
                    wit.resources.entry(types.resolve_resource(*id)).or_insert(name);
                }
                _ => {}
            }
        }
        wit
    }

    fn name(&mut self, id: DefinedTypeId, name: &'a str) {
        self.names.insert(id, name);
        if let ValueType::Defined(inner) = self.types.resolve_value_type(ValueType::Defined(id)) {
            self.names.entry(inner).or_insert(name);
        }
    }

    /// `check: func(token: string) -> bool`
    pub(crate) fn function(&self, name: &str, id: FuncTypeId) -> String {
        let function = &self.types[id];
        let parameters: Vec<_> = function
            .params
            .iter()
            .map(|(name, ty)| format!("{name}: {}", self.value(*ty)))
            .collect();
        let kind = if function.is_async { "async func" } else { "func" };
        let result = function
            .result
            .map_or_else(String::new, |ty| format!(" -> {}", self.value(ty)));
        format!("{name}: {kind}({}){result}", parameters.join(", "))
    }

    /// A type by its name, or written out where it has none.
    pub(crate) fn value(&self, ty: ValueType) -> String {
        self.at_depth(ty, DEPTH)
    }

    /// A named type, written out.
    pub(crate) fn definition(&self, name: &str, ty: ValueType) -> String {
        match self.types.resolve_value_type(ty) {
            ValueType::Defined(id) => match &self.types[id] {
                DefinedType::Record(_)
                | DefinedType::Variant(_)
                | DefinedType::Flags(_)
                | DefinedType::Enum(_) => {
                    let (keyword, inside) = self.structure(id, DEPTH);
                    format!("{keyword} {name} {inside}")
                }
                _ => format!("type {name} = {}", self.written_out(id, DEPTH)),
            },
            other => format!("type {name} = {}", self.value(other)),
        }
    }

    pub(crate) fn resource(&self, id: ResourceId) -> &str {
        let source = self.types.resolve_resource(id);
        let named = self.resources.get(&id).or_else(|| self.resources.get(&source));
        named.copied().unwrap_or(self.types[source].name.as_str())
    }

    fn at_depth(&self, ty: ValueType, depth: usize) -> String {
        match ty {
            ValueType::Primitive(it) => it.desc().to_owned(),
            ValueType::Own(id) => self.resource(id).to_owned(),
            ValueType::Borrow(id) => format!("borrow<{}>", self.resource(id)),
            ValueType::Defined(id) => match self.names.get(&id) {
                Some(name) => (*name).to_owned(),
                None => self.written_out(id, depth),
            },
        }
    }

    fn written_out(&self, id: DefinedTypeId, depth: usize) -> String {
        let Some(depth) = depth.checked_sub(1) else {
            return "…".to_owned();
        };
        let value = |ty: ValueType| self.at_depth(ty, depth);
        let maybe = |ty: Option<ValueType>| ty.map_or_else(|| "_".to_owned(), value);
        let of = |kind: &str, ty: Option<ValueType>| match ty {
            Some(ty) => format!("{kind}<{}>", value(ty)),
            None => kind.to_owned(),
        };
        match &self.types[id] {
            DefinedType::Tuple(types) => {
                format!(
                    "tuple<{}>",
                    types.iter().map(|it| value(*it)).collect::<Vec<_>>().join(", ")
                )
            }
            DefinedType::List(ty) => of("list", Some(*ty)),
            DefinedType::FixedSizeList(ty, length) => format!("list<{}, {length}>", value(*ty)),
            DefinedType::Map(key, ty) => format!("map<{}, {}>", value(*key), value(*ty)),
            DefinedType::Option(ty) => of("option", Some(*ty)),
            DefinedType::Result { ok: None, err: None } => "result".to_owned(),
            DefinedType::Result { ok, err: None } => of("result", *ok),
            DefinedType::Result { ok, err } => format!("result<{}, {}>", maybe(*ok), maybe(*err)),
            DefinedType::Alias(ty) => value(*ty),
            DefinedType::Stream(ty) => of("stream", *ty),
            DefinedType::Future(ty) => of("future", *ty),
            DefinedType::Record(_)
            | DefinedType::Variant(_)
            | DefinedType::Flags(_)
            | DefinedType::Enum(_) => {
                let (keyword, inside) = self.structure(id, depth);
                format!("{keyword} {inside}")
            }
        }
    }

    /// What stands between the braces, and the word before them.
    fn structure(&self, id: DefinedTypeId, depth: usize) -> (&'static str, String) {
        let value = |ty: ValueType| self.at_depth(ty, depth);
        let (keyword, items): (_, Vec<String>) = match &self.types[id] {
            DefinedType::Record(it) => (
                "record",
                it.fields
                    .iter()
                    .map(|(name, ty)| format!("{name}: {}", value(*ty)))
                    .collect(),
            ),
            DefinedType::Variant(it) => (
                "variant",
                it.cases
                    .iter()
                    .map(|(name, ty)| match ty {
                        Some(ty) => format!("{name}({})", value(*ty)),
                        None => name.clone(),
                    })
                    .collect(),
            ),
            DefinedType::Flags(it) => ("flags", it.0.iter().cloned().collect()),
            DefinedType::Enum(it) => ("enum", it.0.iter().cloned().collect()),
            _ => ("type", Vec::new()),
        };
        (keyword, format!("{{ {} }}", items.join(", ")))
    }
}
