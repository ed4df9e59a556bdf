//! Native code, mapped and linked: once for each compiled file, however many components run it. When it is mapped and unmapped is
//! decided in `resident`.

use crate::links::bindings::Wiring;
use shoal_capability::{CapabilityError, Import, State};
use shoal_description::{Description, ItemKind};
use shoal_engine::{Engine, EngineError, Loaded, Native};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use wasmtime::component::{Component, InstancePre, Linker};

/// What is mapped now. A compiled file never changes: its name is its digest's.
#[derive(Default)]
pub(crate) struct Code {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    linked: HashMap<PathBuf, Weak<Linked>>,
    /// Rows at which those are thrown out whose code is not mapped any more.
    purge_at: usize,
}

/// A component, or a core module, that is ready to be instantiated.
pub(crate) struct Linked {
    pub(crate) loaded: Loaded,
    pub(crate) pre: Pre,
}

/// Imports that are resolved.
pub(crate) enum Pre {
    Component(InstancePre<State>),
    /// Of a program of WASI preview 1.
    Module(wasmtime::InstancePre<State>),
}

impl Linked {
    /// The component. An error for a core module, which has no world but that of a program.
    pub(crate) fn component(&self) -> wasmtime::Result<&InstancePre<State>> {
        match &self.pre {
            Pre::Component(pre) => Ok(pre),
            Pre::Module(_) => wasmtime::bail!("it is a core module, which can only be run as a program"),
        }
    }

    /// What its types are read from; none for a core module, which has no interfaces.
    pub(crate) fn types(&self) -> Option<&Component> {
        match self.loaded.native() {
            Native::Component(component) => Some(component),
            Native::Module(_) => None,
        }
    }
}

/// Why a component could not be mapped and linked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Capability(#[from] CapabilityError),
    #[error("the compiled file no longer holds what it held")]
    Uncallable,
    #[error("{0}")]
    Crossing(Box<crate::links::bindings::Crossing>),
    #[error("it does not fit {world}: {source:#}")]
    World {
        world: &'static str,
        source: wasmtime::Error,
    },
}

impl LinkError {
    pub(crate) fn misfit(world: &'static str) -> impl FnOnce(wasmtime::Error) -> Self {
        move |source| Self::World { world, source }
    }
}

/// What a component that is `parts` in one imports and the host may provide. Nobody can provide types, and nobody needs to.
fn imports(description: &Description, parts: usize) -> impl Iterator<Item = Import<'_>> {
    let imports = description.imports_of_parts(parts);
    let imports = imports.filter(|import| import.kind != ItemKind::Types);
    imports.map(|import| Import {
        name: import.name,
        interface: import.interface,
        part: import.part,
    })
}

impl Code {
    /// The component in the file `compiled`, which is `parts` in one, mapped and linked now where it is not.
    pub(crate) fn linked(
        &self,
        engine: &Engine,
        compiled: &Path,
        description: &Description,
        parts: usize,
        wiring: &Wiring,
    ) -> Result<Arc<Linked>, LinkError> {
        if !wiring.is_empty() {
            // Where its links lead is this component's own business, whoever else runs the same file.
            return link(engine, compiled, description, parts, wiring).map(Arc::new);
        }
        if let Some(linked) = self.table().get(compiled) {
            return Ok(linked);
        }
        // Outside of the lock: of two that come at the same time, one works for nothing.
        let linked = link(engine, compiled, description, parts, wiring)?;
        Ok(self.table().put(compiled, linked))
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn link(
    engine: &Engine,
    compiled: &Path,
    description: &Description,
    parts: usize,
    wiring: &Wiring,
) -> Result<Linked, LinkError> {
    let loaded = engine.load(compiled)?;
    let pre = match loaded.native() {
        Native::Component(component) => {
            let mut linker = Linker::new(engine.wasmtime());
            let ours = imports(description, parts).filter(|import| !wiring.has(import.name));
            shoal_capability::link(&mut linker, ours)?;
            wiring.define(&mut linker, component)?;
            linker.instantiate_pre(component).map(Pre::Component)
        }
        Native::Module(module) => {
            let mut linker = wasmtime::Linker::new(engine.wasmtime());
            shoal_capability::link_module(&mut linker)?;
            linker.instantiate_pre(module).map(Pre::Module)
        }
    };
    let pre = pre.map_err(LinkError::misfit("what Shoal provides"))?;
    Ok(Linked { loaded, pre })
}

impl Table {
    fn get(&self, compiled: &Path) -> Option<Arc<Linked>> {
        self.linked.get(compiled).and_then(Weak::upgrade)
    }

    fn put(&mut self, compiled: &Path, linked: Linked) -> Arc<Linked> {
        if let Some(first) = self.get(compiled) {
            return first;
        }
        if self.linked.len() >= self.purge_at {
            self.linked.retain(|_, linked| linked.strong_count() > 0);
            self.purge_at = 2 * self.linked.len() + 16;
        }
        let linked = Arc::new(linked);
        self.linked.insert(compiled.to_owned(), Arc::downgrade(&linked));
        linked
    }
}
