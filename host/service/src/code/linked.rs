//! Native code, mapped and linked: mapped once for each compiled file, however many components run it and wherever their links lead. When
//! it is mapped and unmapped is decided in `resident`.

use crate::code::lock;
use crate::links::bindings::Wiring;
use shoal_capability::{CapabilityError, Import, State};
use shoal_description::{Description, ItemKind};
use shoal_engine::{Engine, EngineError, Loaded, Native};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use wasmtime::component::{Component, InstancePre, Linker};

/// What is mapped now. A compiled file never changes: its name is its digest's.
#[derive(Default)]
pub(crate) struct Code {
    loaded: Mutex<Table<Loaded>>,
    /// Without wiring: with the same imports, one for all who run the same file.
    linked: Mutex<Table<Linked>>,
}

/// What is made of compiled files, for as long as somebody has it.
struct Table<T> {
    rows: HashMap<PathBuf, Weak<T>>,
    /// Rows at which those are thrown out that nobody has any more.
    purge_at: usize,
}

/// A component, or a core module, that is ready to be instantiated.
pub(crate) struct Linked {
    pub(crate) loaded: Arc<Loaded>,
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
        (parts, wiring): (usize, &Wiring),
    ) -> Result<Arc<Linked>, LinkError> {
        // Where its links lead is this component's own business, whoever else runs the same file.
        let shared = wiring.is_empty();
        if shared && let Some(linked) = lock(&self.linked).get(compiled) {
            return Ok(linked);
        }
        let loaded = self.loaded(engine, compiled)?;
        let linked = link(engine, loaded, imports(description, parts), wiring)?;
        Ok(match shared {
            true => lock(&self.linked).put(compiled, linked),
            false => Arc::new(linked),
        })
    }

    /// The file, mapped now where it is not.
    fn loaded(&self, engine: &Engine, compiled: &Path) -> Result<Arc<Loaded>, LinkError> {
        if let Some(loaded) = lock(&self.loaded).get(compiled) {
            return Ok(loaded);
        }
        // Outside of the lock: of two that come at the same time, one works for nothing.
        let loaded = engine.load(compiled)?;
        Ok(lock(&self.loaded).put(compiled, loaded))
    }
}

fn link<'a>(
    engine: &Engine,
    loaded: Arc<Loaded>,
    imports: impl Iterator<Item = Import<'a>>,
    wiring: &Wiring,
) -> Result<Linked, LinkError> {
    let pre = match loaded.native() {
        Native::Component(component) => {
            let mut linker = Linker::new(engine.wasmtime());
            let ours = imports.filter(|import| !wiring.has(import.name));
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

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: HashMap::new(),
            purge_at: 0,
        }
    }
}

impl<T> Table<T> {
    fn get(&self, compiled: &Path) -> Option<Arc<T>> {
        self.rows.get(compiled).and_then(Weak::upgrade)
    }

    fn put(&mut self, compiled: &Path, made: T) -> Arc<T> {
        if let Some(first) = self.get(compiled) {
            return first;
        }
        if self.rows.len() >= self.purge_at {
            self.rows.retain(|_, row| row.strong_count() > 0);
            self.purge_at = 2 * self.rows.len() + 16;
        }
        let made = Arc::new(made);
        self.rows.insert(compiled.to_owned(), Arc::downgrade(&made));
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_one_of_each_and_forgets_what_nobody_has() {
        let mut table = Table::default();
        let first = table.put(Path::new("a"), 1);
        let second = table.put(Path::new("a"), 2);
        assert!(Arc::ptr_eq(&first, &second));
        for index in 0..100 {
            table.put(Path::new(&index.to_string()), index);
        }
        assert!(table.rows.len() < 50, "{} rows", table.rows.len());
        assert_eq!(table.get(Path::new("a")).as_deref(), Some(&1));
        drop((first, second));
        assert_eq!(table.get(Path::new("a")), None);
    }
}
