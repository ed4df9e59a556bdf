//! Where the fields of a component are written, for errors: in a service's manifest, in a pod, in options of `shoal run`.

use shoal_api::pod::{STORES, TRIGGERS};
use shoal_capability::Origin;

/// Where a component is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fields {
    /// In a `WasmService`.
    Manifest,
    /// In a container and in annotations of its pod.
    Pod,
    /// In options of `shoal run`.
    Command,
}

impl Fields {
    pub(crate) fn component(self, place: usize) -> String {
        match self {
            Self::Manifest => format!("spec.components[{place}]"),
            Self::Pod | Self::Command => "component".to_owned(),
        }
    }

    pub(crate) fn store(self, index: usize, name: &str) -> String {
        match self {
            Self::Manifest | Self::Command => format!("spec.stores[{index}]"),
            Self::Pod => format!("metadata.annotations[{STORES}][{name}]"),
        }
    }

    pub(crate) fn triggers(self) -> String {
        match self {
            Self::Manifest | Self::Command => "spec.triggers".to_owned(),
            Self::Pod => format!("metadata.annotations[{TRIGGERS}]"),
        }
    }

    /// For the refusal of an import. `alone` says that no other component is linked to this one.
    pub(crate) fn origin(self, place: usize, name: &str, alone: bool) -> Origin {
        match self {
            Self::Manifest => Origin::Manifest(place),
            Self::Pod => Origin::Pod {
                container: name.to_owned(),
                alone,
            },
            Self::Command => Origin::Run,
        }
    }
}
