//! Why a configuration of containerd is not changed, in words that name the file and the line.

use std::path::{Path, PathBuf};

/// See the messages.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It would not be loaded by containerd either.
    #[error("{path}, line {line}: this is no TOML: {reason}; mend the file, containerd can't load it either", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The parser's words.
        reason: String,
    },
    /// Somebody else's runtime has our name.
    #[error(
        "{path}, line {line}: a runtime `shoal` of the type {kind} is configured here, which is not ours: rename or remove it",
        path = path.display()
    )]
    Conflict {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Its `runtime_type`.
        kind: String,
    },
    /// Something has a name on our way and is of another kind.
    #[error("{path}, line {line}: `{key}` should be a table, as containerd has it", path = path.display())]
    NoTable {
        /// The file.
        path: PathBuf,
        /// Counted from 1; of the whole table above where it is not known.
        line: usize,
        /// The key.
        key: String,
    },
    /// The default of some packages of Docker.
    #[error(
        "{path}, line {line}: `disabled_plugins` turns CRI off, without which kubelet has no containerd: remove \"{name}\" from it",
        path = path.display()
    )]
    Disabled {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The plugin's name there.
        name: String,
    },
    /// A file that is there and can't be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An import in a circle, or too long a chain of them.
    #[error("{path}: more than {limit} files are imported, one by another", path = path.display())]
    TooManyImports {
        /// The first file.
        path: PathBuf,
        /// How many are followed.
        limit: usize,
    },
    /// We would have written something that is no TOML.
    #[error("{path}: this file says its tables in a way that can't be added to ({reason}); please report it", path = path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The parser's words about what we made.
        reason: String,
    },
}

/// The line of a byte, counted from 1.
pub(super) fn line(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

/// The parser's words, on one line and without its drawing.
pub(super) fn syntax(path: &Path, text: &str, error: &toml_edit::TomlError) -> ConfigError {
    ConfigError::Syntax {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line(text, span.start)),
        reason: error.message().lines().collect::<Vec<_>>().join(", "),
    }
}
