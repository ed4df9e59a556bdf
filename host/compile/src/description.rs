//! What a component says of itself: imports, exports, kind. What it may import is decided by `capability`.

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
    /// A core module of WASI preview 1, which was adapted.
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

fn unversioned(name: &str) -> &str {
    name.split_once('@').map_or(name, |(name, _)| name)
}
