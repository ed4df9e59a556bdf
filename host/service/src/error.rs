//! Why a service can't be run, with the component and what to do.

use crate::assembly::stores::StoreError;
use crate::code::linked::LinkError;
use crate::links::bindings::{Crossing, texts};
use crate::links::resolve::ServiceLink;
use shoal_api::Problem;
use shoal_artifact::ArtifactError;
use shoal_capability::{CapabilityError, Denied, Refusal};
use shoal_engine::EngineError;
use shoal_link::Misfit;

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
    /// The components are linked in a way that can't be, or do not fit together.
    #[error("{reason}")]
    Unfit {
        /// Which, and why, in the words of the manifest.
        reason: String,
    },
    /// A link to another service, of what the component does not import.
    #[error("component {component}: links: it does not import {import}")]
    NotImported {
        /// The component's name.
        component: String,
        /// What is linked.
        import: String,
    },
    /// What is linked can't cross from one service to another.
    #[error(transparent)]
    Crossing(#[from] Box<Crossing>),
    /// A link to a service that is not here.
    #[error("{link}, which does not run here; what runs here is {}", list_with(.services, ", "))]
    NoService {
        /// The link.
        link: ServiceLink,
        /// The services that are here.
        services: Vec<String>,
    },
    /// A link to a service that does not export the interface.
    #[error("{link}, which does not export it; it exports {}", nothing_or(.exports))]
    NotExported {
        /// The link.
        link: ServiceLink,
        /// What it exports.
        exports: Vec<String>,
    },
    /// A link to a service that exports the interface more than once.
    #[error("{link}, and more than one of its components exports it: {}", list_with(.components, ", "))]
    Ambiguous {
        /// The link.
        link: ServiceLink,
        /// The components.
        components: Vec<String>,
    },
    /// A link to an interface of other types.
    #[error("{link}, which exports {export} with other types:{}", texts(.misfits))]
    LinkMisfit {
        /// The link.
        link: ServiceLink,
        /// The export.
        export: String,
        /// Where they differ.
        misfits: Vec<Misfit>,
    },
    /// The compiled component could not be loaded.
    #[error("component {component}: {source}")]
    Engine {
        /// The component's name.
        component: String,
        /// What went wrong.
        source: EngineError,
    },
    /// The component imports what it was not granted.
    #[error("{}", Refusal { component, denied })]
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
            LinkError::Crossing(crossing) => Self::Crossing(crossing),
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

fn nothing_or(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        names => list_with(names, ", "),
    }
}

fn list(problems: &[Problem]) -> String {
    list_with(problems, "\n")
}

fn list_with<T: ToString>(items: &[T], between: &str) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(between)
}
