//! The composition itself, with wac: parts in, one component out. Who provides what is decided in `provide`.

use crate::Owned;
use crate::bytes::{is_component, rename};
use crate::detach::detach;
use crate::misfit::differences;
use crate::order::order;
use crate::provide::{Names, Provision, provisions};
use crate::{ComposeError, Misfit, Part};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wac_graph::types::{ItemKind, Package, Types};
use wac_graph::{CompositionGraph, EncodeError, EncodeOptions, InstantiationArgumentError, NodeId};
use wasmparser::{Validator, WasmFeatures};

/// One component that was several.
#[derive(Clone, Debug)]
pub struct Composition {
    /// Its bytes. It exports what the root exports.
    pub wasm: Vec<u8>,
    /// The names of the parts. The places in this list are those of [`Owned`].
    pub parts: Vec<String>,
}

/// Composes `root` with all that it is linked to.
///
/// Imports that no link provides stay imports, renamed as [`Owned`] says: each part keeps its own. Where parts hand each other handles of
/// the host's resources (a stream, a request), they must mean the same by them; so if the types don't fit otherwise, imports for which
/// `shared` is true stay one for all. Those may be such alone that carry no authority.
///
/// # Errors
///
/// Whatever keeps the parts from being composed, in the words of the manifest.
pub fn compose(
    root: &str,
    parts: &[Part<'_>],
    shared: &dyn Fn(&str) -> bool,
) -> Result<Composition, ComposeError> {
    let parts: Vec<Part<'_>> = order(root, parts)?
        .into_iter()
        .filter_map(|at| parts.get(at).copied())
        .collect();
    for part in &parts {
        check(part)?;
    }
    let wasm = match run(root, &parts, &|_| false) {
        Err(ComposeError::Misfit(_) | ComposeError::Encode { .. }) if uses(&parts, shared)? => {
            run(root, &parts, shared)?
        }
        other => other?,
    };
    Ok(Composition {
        wasm,
        parts: parts.iter().map(|part| part.name.to_owned()).collect(),
    })
}

/// Wac asserts what it takes for granted; what it did not think of is an error here, and not the end of a thread.
fn run(root: &str, parts: &[Part<'_>], shared: &dyn Fn(&str) -> bool) -> Result<Vec<u8>, ComposeError> {
    let fused = catch_unwind(AssertUnwindSafe(|| Fuse::run(root, parts, shared)));
    fused.unwrap_or_else(|_| {
        Err(ComposeError::Encode {
            root: root.to_owned(),
            reason: "wac does not know what to make of them. Please report it with the components".to_owned(),
        })
    })
}

fn check(part: &Part<'_>) -> Result<(), ComposeError> {
    if !is_component(part.wasm) {
        return Err(ComposeError::CoreModule {
            part: part.name.to_owned(),
        });
    }
    // Wac takes for granted that the bytes are whole.
    let validated = Validator::new_with_features(WasmFeatures::all()).validate_all(part.wasm);
    validated.map(drop).map_err(|error| invalid(part, &error))
}

fn invalid(part: &Part<'_>, reason: &dyn std::fmt::Display) -> ComposeError {
    ComposeError::Invalid {
        part: part.name.to_owned(),
        reason: format!("{reason:#}"),
    }
}

/// Whether sharing would change anything.
fn uses(parts: &[Part<'_>], shared: &dyn Fn(&str) -> bool) -> Result<bool, ComposeError> {
    let found = std::cell::Cell::new(false);
    for part in parts {
        let look = |name: &str| {
            found.set(found.get() || shared(name));
            None
        };
        rename(part.wasm, &look).map_err(|error| invalid(part, &error))?;
    }
    Ok(found.get())
}

struct Fuse<'a> {
    root: &'a str,
    parts: &'a [Part<'a>],
    graph: CompositionGraph,
    nodes: Vec<NodeId>,
}

impl<'a> Fuse<'a> {
    fn run(
        root: &'a str,
        parts: &'a [Part<'a>],
        shared: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<u8>, ComposeError> {
        let mut fuse = Fuse {
            root,
            parts,
            graph: CompositionGraph::new(),
            nodes: Vec::new(),
        };
        for (place, part) in parts.iter().enumerate() {
            fuse.add(place, part, shared)?;
        }
        fuse.connect(shared)?;
        fuse.export()?;
        let options = EncodeOptions::default();
        fuse.graph.encode(options).map_err(|error| fuse.encoding(&error))
    }

    fn add(
        &mut self,
        place: usize,
        part: &Part<'_>,
        shared: &dyn Fn(&str) -> bool,
    ) -> Result<(), ComposeError> {
        let wasm =
            rename(part.wasm, &|name| owned(place, name, shared)).map_err(|error| invalid(part, &error))?;
        let package = Package::from_bytes(part.name, None, wasm, self.graph.types_mut());
        let package = package.map_err(|error| invalid(part, &format!("{error:#}")))?;
        detach(self.graph.types_mut(), package.ty(), shared);
        let package = self
            .graph
            .register_package(package)
            .map_err(|error| self.broken(&error))?;
        self.nodes.push(self.graph.instantiate(package));
        Ok(())
    }

    fn connect(&mut self, shared: &dyn Fn(&str) -> bool) -> Result<(), ComposeError> {
        // The names of the graph are borrowed from a copy, for the graph itself changes.
        let worlds: Vec<World> = self
            .graph
            .packages()
            .map(|it| World::of(it, self.graph.types()))
            .collect();
        let all: BTreeMap<&str, Names<'_>> = self
            .parts
            .iter()
            .zip(&worlds)
            .map(|(part, world)| (part.name, world.names(part.name)))
            .collect();
        for (place, part) in self.parts.iter().enumerate() {
            let Some(names) = all.get(part.name) else { continue };
            for provision in provisions(names, part.links, &all)? {
                self.link(place, &provision, shared)?;
            }
        }
        Ok(())
    }

    fn link(
        &mut self,
        place: usize,
        it: &Provision<'_>,
        shared: &dyn Fn(&str) -> bool,
    ) -> Result<(), ComposeError> {
        let provider = self.parts.iter().position(|part| part.name == it.provider);
        let nodes = (
            self.nodes.get(place).copied(),
            provider.and_then(|at| self.nodes.get(at).copied()),
        );
        let (Some(node), Some(provider)) = nodes else {
            return Ok(());
        };
        let export = self.graph.alias_instance_export(provider, it.export);
        let export = export.map_err(|error| self.broken(&error))?;
        let import = owned(place, it.import, shared).unwrap_or_else(|| it.import.to_owned());
        match self.graph.set_instantiation_argument(node, &import, export) {
            Ok(()) => Ok(()),
            Err(InstantiationArgumentError::ArgumentTypeMismatch { source, .. }) => {
                Err(self.misfit(place, it, &import, export, format!("{source:#}")))
            }
            Err(error) => Err(self.broken(&error)),
        }
    }

    fn misfit(
        &self,
        place: usize,
        it: &Provision<'_>,
        import: &str,
        export: NodeId,
        reason: String,
    ) -> ComposeError {
        let types = self.graph.types();
        let wanted = self
            .graph
            .packages()
            .nth(place)
            .and_then(|package| types[package.ty()].imports.get(import).copied());
        let found = self.graph[export].item_kind();
        let differences = match (wanted, found) {
            (Some(ItemKind::Instance(wanted)), ItemKind::Instance(found)) => {
                differences(types, wanted, found)
            }
            _ => Vec::new(),
        };
        ComposeError::Misfit(Box::new(Misfit {
            part: self.parts.get(place).map_or("", |part| part.name).to_owned(),
            import: it.import.to_owned(),
            provider: it.provider.to_owned(),
            export: it.export.to_owned(),
            differences,
            reason,
        }))
    }

    /// The whole exports what its root does.
    fn export(&mut self) -> Result<(), ComposeError> {
        let Some(root) = self.nodes.first().copied() else {
            return Ok(());
        };
        let types = self.graph.types();
        let exports: Vec<String> = match self.graph.packages().next() {
            Some(package) => types[package.ty()]
                .exports
                .iter()
                // Types that a world itself exports are of no use to a host, which calls functions.
                .filter(|(_, kind)| matches!(kind, ItemKind::Instance(_) | ItemKind::Func(_)))
                .map(|(name, _)| name.clone())
                .collect(),
            None => Vec::new(),
        };
        for name in exports {
            let node = self.graph.alias_instance_export(root, &name);
            let node = node.map_err(|error| self.broken(&error))?;
            self.graph
                .export(node, &name)
                .map_err(|error| self.broken(&error))?;
        }
        Ok(())
    }

    fn encoding(&self, error: &EncodeError) -> ComposeError {
        match error {
            EncodeError::ValidationFailure { source } => self.broken(&source.message()),
            EncodeError::ImportTypeMergeConflict { import, source, .. } => self.broken(&format!(
                "two of them import {import} with different types: {source:#}"
            )),
            other => self.broken(other),
        }
    }

    fn broken(&self, reason: &dyn std::fmt::Display) -> ComposeError {
        ComposeError::Encode {
            root: self.root.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// The name under which the part at `place` imports `name` in the composition. None where it keeps the name: shared, or not of a form
/// that can be prefixed, which no host provides anyway.
fn owned(place: usize, name: &str, shared: &dyn Fn(&str) -> bool) -> Option<String> {
    let plain = !name.contains(['[', '=', '<']);
    (plain && !shared(name)).then(|| Owned { part: place, name }.to_string())
}

/// A part's names, copied out of the graph.
struct World {
    imports: Vec<(String, Vec<String>)>,
    exports: Vec<String>,
}

impl World {
    fn of(package: &Package, types: &Types) -> Self {
        let world = &types[package.ty()];
        let uses = |kind: &ItemKind| match kind {
            ItemKind::Instance(id) => {
                let used = types[*id]
                    .uses
                    .values()
                    .filter_map(|used| types[used.interface].id.clone());
                used.collect()
            }
            _ => Vec::new(),
        };
        Self {
            imports: world
                .imports
                .iter()
                .map(|(name, kind)| (name.clone(), uses(kind)))
                .collect(),
            exports: world.exports.keys().cloned().collect(),
        }
    }

    fn names<'a>(&'a self, part: &'a str) -> Names<'a> {
        fn own(name: &str) -> &str {
            Owned::parse(name).map_or(name, |owned| owned.name)
        }
        let imports = self.imports.iter();
        Names {
            part,
            imports: imports.clone().map(|(name, _)| own(name)).collect(),
            exports: self.exports.iter().map(String::as_str).collect(),
            uses: imports
                .map(|(name, uses)| (own(name), uses.iter().map(|it| own(it)).collect()))
                .collect(),
        }
    }
}
