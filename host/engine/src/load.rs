//! The only door through which native code enters the process. Where compiled files come from and how they are named is decided
//! by `artifact`; who makes them, by `compile`.

use crate::{Engine, EngineError, PoolOptions, untyped};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use wasmtime::component::Component;

/// A component, compiled and mapped. Cheap to clone.
#[derive(Clone)]
pub struct Loaded {
    component: Component,
    weight: u32,
}

impl Loaded {
    /// The component, to link and instantiate.
    pub fn component(&self) -> &Component {
        &self.component
    }

    pub(crate) fn weight(&self) -> u32 {
        self.weight
    }
}

pub(crate) fn load(engine: &Engine, path: &Path) -> Result<Loaded, EngineError> {
    check_owner(path)?;
    let component = map(engine, path)?;
    let Some(needs) = component.resources_required() else {
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
    Ok(Loaded { component, weight })
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
fn map(engine: &Engine, path: &Path) -> Result<Component, EngineError> {
    // SAFETY: the file was made by `shoal-compile` (artifact's cache accepts none from outside and names it by digest and engine
    // fingerprint), and `check_owner` has seen that nobody but us or root can have written it or can replace it. Wasmtime checks
    // version and settings itself.
    unsafe { Component::deserialize_file(engine.wasmtime(), path) }.map_err(|source| {
        if untyped::is_pool_limit(&source) {
            return EngineError::DoesNotFit { source };
        }
        EngineError::Incompatible {
            path: path.to_owned(),
            source,
        }
    })
}
