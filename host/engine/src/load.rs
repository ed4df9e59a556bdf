//! The only door through which native code enters the process. Where compiled files come from and how they are named is decided
//! by `artifact`; who makes them, by `compile`.

use crate::{Engine, EngineError, PoolOptions, untyped};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use wasmtime::component::Component;
use wasmtime::{Module, Precompiled};

/// What a compiled file holds, mapped. Cheap to clone.
#[derive(Clone)]
pub struct Loaded {
    native: Native,
    weight: u32,
}

/// Native code, to link and instantiate.
#[derive(Clone)]
pub enum Native {
    /// Of a component.
    Component(Component),
    /// Of a core module.
    Module(Module),
}

impl Loaded {
    /// What was in the file.
    pub fn native(&self) -> &Native {
        &self.native
    }

    pub(crate) fn weight(&self) -> u32 {
        self.weight
    }
}

pub(crate) fn load(engine: &Engine, path: &Path) -> Result<Loaded, EngineError> {
    check_owner(path)?;
    let native = map(engine, path)?;
    let needs = match &native {
        Native::Component(component) => component.resources_required(),
        Native::Module(module) => Some(module.resources_required()),
    };
    let Some(needs) = needs else {
        return Err(EngineError::ImportsModules);
    };
    let weight = PoolOptions::weight(needs.num_memories, needs.num_tables);
    let most = PoolOptions::most(engine.slots.total());
    if weight > most {
        return Err(EngineError::TooLarge {
            memories: needs.num_memories,
            tables: needs.num_tables,
            most,
        });
    }
    Ok(Loaded { native, weight })
}

/// A compiled file is native code: only we, or root, may have been able to write it.
fn check_owner(path: &Path) -> Result<(), EngineError> {
    let file = |source| EngineError::Read {
        path: path.to_owned(),
        source,
    };
    let ours = rustix::process::geteuid().as_raw();
    let folder = path.parent().unwrap_or(Path::new("/"));
    for part in [path, folder] {
        let meta = std::fs::metadata(part).map_err(file)?;
        if (meta.uid() != ours && meta.uid() != 0) || meta.mode() & 0o022 != 0 {
            return Err(EngineError::Writable {
                path: part.to_owned(),
            });
        }
    }
    Ok(())
}

#[allow(
    unsafe_code,
    reason = "wasmtime maps the file as native code: the caller vouches for it"
)]
fn map(engine: &Engine, path: &Path) -> Result<Native, EngineError> {
    // Whatever else the file may be, wasmtime says of it when it is mapped.
    let detected = wasmtime::Engine::detect_precompiled_file(path);
    let is_module = matches!(detected, Ok(Some(Precompiled::Module)));
    // SAFETY: the file was made by `shoal-compile` (artifact's cache accepts none from outside and names it by digest and engine
    // fingerprint), and `check_owner` has seen that nobody but us or root can have written it or can replace it. Wasmtime checks
    // version and settings itself.
    let mapped = unsafe {
        match is_module {
            true => Module::deserialize_file(engine.wasmtime(), path).map(Native::Module),
            false => Component::deserialize_file(engine.wasmtime(), path).map(Native::Component),
        }
    };
    mapped.map_err(|source| {
        if untyped::is_pool_limit(&source) {
            return EngineError::DoesNotFit { source };
        }
        EngineError::Incompatible {
            path: path.to_owned(),
            source,
        }
    })
}
