//! Why a service can't be run, with the component and what to do.

use crate::code::LinkError;
use crate::stores::StoreError;
use shoal_api::Problem;
use shoal_artifact::ArtifactError;
use shoal_capability::{CapabilityError, Denied};
use shoal_engine::EngineError;

/// A service that can't be run.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The manifest names what isn't there, or what this version doesn't run.
    #[error("{}", list(.0))]
    Manifest(Vec<Problem>),
    /// The artifact could not be brought here or compiled.
    #[error("component {component}: {source}")]
    Artifact {
        /// The component's name.
        component: String,
        /// What went wrong.
        source: ArtifactError,
    },
    /// The components are linked in a way that can't be.
    #[error(transparent)]
    Compose(#[from] shoal_compose::ComposeError),
    /// The compiled component could not be loaded.
    #[error("component {component}: {source}")]
    Engine {
        /// The component's name.
        component: String,
        /// What went wrong.
        source: EngineError,
    },
    /// The component imports what it was not granted.
    #[error("component {component} imports what it was not granted:\n  {}", list_with(.denied, "\n  "))]
    Denied {
        /// The component's name.
        component: String,
        /// Every such import.
        denied: Vec<Denied>,
    },
    /// A grant could not be made ready.
    #[error("component {component}: {source}")]
    Capability {
        /// The component's name.
        component: String,
        /// What went wrong.
        source: CapabilityError,
    },
    /// The component's types don't fit its world.
    #[error("component {component} does not fit {world}: {source:#}")]
    World {
        /// The component's name.
        component: String,
        /// What it was taken for.
        world: &'static str,
        /// Where the types differ.
        source: wasmtime::Error,
    },
    /// No trigger can call what the component exports.
    #[error("component {component} exports {exports}; {wanted}")]
    Exports {
        /// The component's name.
        component: String,
        /// What it exports.
        exports: String,
        /// What would be called, and what to do.
        wanted: String,
    },
    /// A store could not be opened.
    #[error("store {store}: {source}")]
    Store {
        /// The store's name.
        store: String,
        /// What went wrong.
        source: StoreError,
    },
    /// A folder for a volume could not be made.
    #[error("volume {volume}: {source}")]
    Volume {
        /// The volume's name.
        volume: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl ServiceError {
    pub(crate) fn link(component: &str, error: LinkError) -> Self {
        let component = component.to_owned();
        match error {
            LinkError::Engine(source) => Self::Engine { component, source },
            LinkError::Capability(source) => Self::Capability { component, source },
            LinkError::World { world, source } => Self::World {
                component,
                world,
                source,
            },
            LinkError::Uncallable => Self::Exports {
                component,
                exports: "other things than when it was compiled".to_owned(),
                wanted: "empty the cache and try again".to_owned(),
            },
        }
    }
}

fn list(problems: &[Problem]) -> String {
    list_with(problems, "\n")
}

fn list_with<T: ToString>(items: &[T], between: &str) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(between)
}
