//! What `check` needs to know of a workspace, free of cargo's own types so that tests can write one down. No I/O.

use std::collections::{BTreeMap, BTreeSet};

/// A workspace: its crates and the whole tree that cargo resolves for them.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// The workspace's members.
    pub(crate) crates: Vec<Crate>,
    /// Package name to the names of what it depends on, members and others alike, every member with its default features.
    pub(crate) tree: BTreeMap<String, BTreeSet<String>>,
}

/// A member of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    /// Where it lies, relative to the workspace: `host/engine`. Rules are written in these terms.
    pub(crate) folder: String,
    /// Its package name: `shoal-engine`.
    pub(crate) name: String,
    /// What its manifest asks for, optional and development dependencies included.
    pub(crate) dependencies: Vec<Dependency>,
    /// Its features and what each turns on, in Cargo's notation (`wasmtime/cranelift`, `dep:wat`).
    pub(crate) features: BTreeMap<String, Vec<String>>,
}

/// One entry of a manifest's dependency tables.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    /// Package name.
    pub(crate) name: String,
    /// The folder, where it is a member of this workspace.
    pub(crate) folder: Option<String>,
    /// Which table it stands in.
    pub(crate) kind: Kind,
    /// Whether only a feature of the crate brings it in.
    pub(crate) optional: bool,
    /// The features that this entry asks for.
    pub(crate) features: Vec<String>,
    /// Whether it leaves the default features on.
    pub(crate) default_features: bool,
}

/// The dependency tables of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `[dependencies]`
    Normal,
    /// `[build-dependencies]`
    Build,
    /// `[dev-dependencies]`
    Dev,
}

impl Kind {
    /// The table's name, for messages.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Kind::Normal => "dependencies",
            Kind::Build => "build-dependencies",
            Kind::Dev => "dev-dependencies",
        }
    }
}
