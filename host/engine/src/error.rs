//! What can go wrong before an instance runs. How an instance ends is in `fault`.

use std::path::PathBuf;

/// Why an engine could not be started or a compiled file not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The pool could not be reserved.
    #[error(
        "cannot reserve address space for {slots} instances ({source:#}): lower the number of slots, or raise `ulimit -v` and \
         vm.max_map_count"
    )]
    Start {
        /// What was asked for.
        slots: u32,
        /// Wasmtime's reason.
        source: wasmtime::Error,
    },
    /// The compiled file could not be read.
    #[error("cannot read the compiled file {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Somebody else could have written the compiled file.
    #[error(
        "{path} can be written by other users, and what it holds is run as native code: remove it, and make its folder \
         writable for its owner alone (chmod go-w)", path = path.display()
    )]
    Writable {
        /// The file or its folder.
        path: PathBuf,
    },
    /// The compiled file was made for another engine.
    #[error("{path} was compiled for another version of Shoal ({source:#}): remove it, and it is made again", path = path.display())]
    Incompatible {
        /// The file.
        path: PathBuf,
        /// Wasmtime's reason.
        source: wasmtime::Error,
    },
    /// The component consists of more than an instance may have.
    #[error("an instance of it would not fit into the pool of this process: {source:#}")]
    DoesNotFit {
        /// Wasmtime's reason, with the number and the limit.
        source: wasmtime::Error,
    },
    /// The component wants to be given core modules.
    #[error(
        "the component imports core modules or components, which no host can provide: compose it with them first"
    )]
    ImportsModules,
    /// One instance would need more than the whole pool.
    #[error(
        "an instance needs {memories} memories and {tables} tables; a pool of this process holds {most} of each (tables: times 4)"
    )]
    TooLarge {
        /// Memories of one instance.
        memories: u32,
        /// Tables of one instance.
        tables: u32,
        /// Slots that one instance may take.
        most: u32,
    },
}
