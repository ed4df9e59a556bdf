//! Why components don't compose, in the words of the manifest.

use crate::{MAX_BYTES, MAX_PARTS, Misfit};

/// Components that don't compose.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// Components are linked in a circle, so none can be made first.
    #[error(
        "links: {} is a cycle, and none of them could be instantiated first: remove one of the links, or link one of them as a service of its own (service: NAME)",
        .names.join(" → ")
    )]
    Cycle {
        /// The way around it; the last name is the first.
        names: Vec<String>,
    },
    /// A link leads to a component that is not there.
    #[error("component {part}: links: {import} is linked to {missing}, and there is no component {missing}")]
    NoSuchPart {
        /// Whose link it is.
        part: String,
        /// What it links.
        import: String,
        /// The name that nobody has.
        missing: String,
    },
    /// Too many components belong together.
    #[error(
        "component {root} is linked, directly or not, to {parts} components in all; {MAX_PARTS} are allowed in one"
    )]
    TooManyParts {
        /// The component that a trigger calls.
        root: String,
        /// How many there are.
        parts: usize,
    },
    /// Together they are too large.
    #[error("component {root} and all that it is linked to have {bytes} bytes; {MAX_BYTES} are allowed")]
    TooLarge {
        /// The component that a trigger calls.
        root: String,
        /// Bytes of all of them.
        bytes: usize,
    },
    /// A core module, which imports and exports no interfaces.
    #[error(
        "component {part} is a core module, and only components can be linked: build it for wasm32-wasip2, or adapt it with `wasm-tools component new`"
    )]
    CoreModule {
        /// Its name.
        part: String,
    },
    /// The bytes can't be read as a component.
    #[error("component {part} can't be read: {reason}")]
    Invalid {
        /// Its name.
        part: String,
        /// What is wrong.
        reason: String,
    },
    /// The component does not import what is linked.
    #[error("component {part}: links: it does not import {import}{}; it imports {}", but(.version), list(.imports))]
    NotImported {
        /// Whose link it is.
        part: String,
        /// What was linked.
        import: String,
        /// The version that it imports, where that is the difference.
        version: Option<String>,
        /// What it imports that could be linked.
        imports: Vec<String>,
    },
    /// The other component exports nothing of that package.
    #[error(
        "component {part}: links: {import} is linked to {provider}, which exports nothing of the package {package}; it exports {}",
        list(.exports)
    )]
    NoPackage {
        /// Whose link it is.
        part: String,
        /// What it links.
        import: String,
        /// To whom.
        provider: String,
        /// The package that is missing.
        package: String,
        /// What is there.
        exports: Vec<String>,
    },
    /// The other component does not export the interface.
    #[error("component {part}: links: {import} is linked to {provider}, which does not export it; it exports {}", list(.exports))]
    NoExport {
        /// Whose link it is.
        part: String,
        /// What it links.
        import: String,
        /// To whom.
        provider: String,
        /// What is there.
        exports: Vec<String>,
    },
    /// The other component exports the interface in versions that are not compatible.
    #[error(
        "component {part}: links: it imports {import}, and {provider} exports {}: versions that are not compatible. Rebuild one of them against the other's",
        list(.exports)
    )]
    OtherVersion {
        /// Whose link it is.
        part: String,
        /// What it imports.
        import: String,
        /// To whom it is linked.
        provider: String,
        /// The versions that are there.
        exports: Vec<String>,
    },
    /// Import and export have one name and different types.
    #[error(transparent)]
    Misfit(#[from] Box<Misfit>),
    /// What wac made is not valid.
    #[error("component {root} can't be composed with what it is linked to: {reason}")]
    Encode {
        /// The component that a trigger calls.
        root: String,
        /// What wac or the validator says.
        reason: String,
    },
}

fn but(version: &Option<String>) -> String {
    version.as_ref().map_or_else(String::new, |version| {
        format!(" (but {version}: leave the version out, or write this one)")
    })
}

fn list(names: &[String]) -> String {
    /// More than this nobody reads.
    const MOST: usize = 12;
    match names {
        [] => "nothing".to_owned(),
        names => {
            let shown = names.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
            match names.len().saturating_sub(MOST) {
                0 => shown,
                more => format!("{shown} and {more} more"),
            }
        }
    }
}
