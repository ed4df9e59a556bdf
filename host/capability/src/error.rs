//! What can go wrong when grants are put together or a linker is filled. What a guest is told lives with each interface.

/// Why grants could not be built.
#[derive(Debug, thiserror::Error)]
pub enum CapabilityError {
    /// A folder could not be opened.
    #[error("capabilities.filesystem: cannot open {folder} for mountPath {path}: {source:#}")]
    Mount {
        /// The folder on this machine, in words.
        folder: String,
        /// Where the guest was to find it.
        path: String,
        /// The system's reason.
        source: wasmtime::Error,
    },
    /// A destination could not be understood.
    #[error(transparent)]
    Rule(#[from] shoal_network::RuleError),
    /// An interface could not be added to the linker.
    #[error("cannot link {import}: {source:#}")]
    Link {
        /// The import.
        import: String,
        /// Wasmtime's reason.
        source: wasmtime::Error,
    },
}
