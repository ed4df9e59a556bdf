//! Why an artifact could not be compiled.

use std::path::PathBuf;

/// A failed compilation.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler is not installed.
    #[error("{path} is missing: install it beside the `shoal` binary, or set SHOAL_COMPILE to its path", path = .0.display())]
    Missing(PathBuf),
    /// The input is not what can be compiled.
    #[error("not a component that can be run: {reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// Components don't compose, in the words of the manifest.
    #[error("{reason}")]
    Compose {
        /// Which, and why.
        reason: String,
    },
    /// Compiling it takes more than is allowed.
    #[error(
        "compiling it takes more than {limit}: raise the limit of the compiler if you trust the artifact"
    )]
    Limit {
        /// The limit that was reached.
        limit: String,
    },
    /// The compiler died, which no input should be able to cause.
    #[error("the compiler ended with {status} and said: {stderr}. Please report it with the artifact")]
    Crashed {
        /// Exit status or signal.
        status: String,
        /// The end of what it wrote.
        stderr: String,
    },
    /// The compiler was built from another version than this program.
    #[error("{path} says nothing that this version of Shoal understands ({reason}): install both from one release", path = path.display())]
    Protocol {
        /// The compiler.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// A file or process could not be handled.
    #[error("cannot {action} {path}: {reason}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
}
