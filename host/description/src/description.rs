//! What is read from a component's binary, as data. What its exports make it is in `world`.

use crate::{Owned, unversioned};
use serde::{Deserialize, Serialize};

/// What is known of a component without running it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// What the artifact was.
    pub kind: Kind,
    /// Which engine runs it.
    pub variant: Variant,
    /// Everything that it imports, in the order of its binary.
    pub imports: Vec<Import>,
    /// Everything that it exports, in the order of its binary.
    pub exports: Vec<Export>,
}

impl Description {
    /// Whether it uses the component model's concurrency (WASI 0.3).
    pub fn concurrent(&self) -> bool {
        self.variant == Variant::Concurrent
    }

    /// Its imports, where it is `parts` components in one.
    pub fn imports_of_parts(&self, parts: usize) -> impl Iterator<Item = PartImport<'_>> {
        self.imports.iter().map(move |import| {
            let owned = Owned::parse(&import.name).filter(|it| parts > 1 && it.part < parts);
            PartImport {
                name: &import.name,
                interface: owned.map_or(import.name.as_str(), |it| it.name),
                part: owned.map_or(0, |it| it.part),
                kind: import.kind,
            }
        })
    }

    /// The export with this name, whatever the version behind `@`.
    pub fn export(&self, name: &str) -> Option<&Export> {
        self.exports
            .iter()
            .find(|export| unversioned(&export.name) == name)
    }
}

/// What an artifact was before it was compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A component.
    #[default]
    Component,
    /// A core module: a program of WASI preview 1.
    CoreModule,
}

/// Which of the two engines a component is compiled for and runs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Variant {
    /// Neither `async` functions nor streams nor futures: WASI 0.2.
    #[default]
    Plain,
    /// The component model's concurrency: WASI 0.3.
    Concurrent,
}

/// The kind of thing that is imported or exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ItemKind {
    /// A function.
    Function,
    /// An interface.
    Interface,
    /// An interface of types alone, without resources: there is nothing in it to provide.
    Types,
    /// A type, a core module, a component or a value.
    Other,
}

/// Something that a component imports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// The name, with the version where it has one: `wasi:http/types@0.2.6`.
    pub name: String,
    /// What it is.
    pub kind: ItemKind,
}

impl Import {
    /// The name without its version: `wasi:http/types`.
    pub fn interface(&self) -> &str {
        unversioned(&self.name)
    }

    /// The version behind `@`, where there is one.
    pub fn version(&self) -> Option<&str> {
        self.name.split_once('@').map(|(_, version)| version)
    }
}

/// Something that a component exports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// The name, with the version where it has one.
    pub name: String,
    /// What it is.
    pub kind: ItemKind,
}

impl Export {
    /// The version behind `@`, where there is one.
    pub fn version(&self) -> Option<&str> {
        self.name.split_once('@').map(|(_, version)| version)
    }
}

/// An import of a component that may be several in one, and the part that imports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartImport<'a> {
    /// The name under which the whole component imports it.
    pub name: &'a str,
    /// The name that the part itself knows.
    pub interface: &'a str,
    /// The part's place: 0 for the root, and for what belongs to no part alone.
    pub part: usize,
    /// What it is.
    pub kind: ItemKind,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_of_parts_are_told_apart_and_forged_names_stay_the_roots() {
        let import = |name: &str| Import {
            name: name.to_owned(),
            kind: ItemKind::Interface,
        };
        let description = Description {
            imports: vec![
                import("p1-wasi:cli/exit@0.2.6"),
                import("p7-a:b/c"),
                import("a:b/d"),
            ],
            ..Description::default()
        };
        let read = |parts| -> Vec<(usize, &str)> {
            let imports = description.imports_of_parts(parts);
            imports.map(|it| (it.part, it.interface)).collect()
        };
        assert_eq!(
            read(2),
            [(1, "wasi:cli/exit@0.2.6"), (0, "p7-a:b/c"), (0, "a:b/d")]
        );
        assert_eq!(
            read(1),
            [(0, "p1-wasi:cli/exit@0.2.6"), (0, "p7-a:b/c"), (0, "a:b/d")]
        );
    }
}
