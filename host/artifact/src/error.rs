//! Everything that can go wrong between a reference and a compiled file, each with what to do about it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::Digest;

/// What went wrong with an artifact.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// A reference or source that does not parse.
    #[error(
        "{reference:?} is not a reference: {reason}; write [registry/]repository[:tag][@sha256:…], or a path"
    )]
    InvalidReference {
        /// As given.
        reference: String,
        /// The parser's reason.
        reason: String,
    },
    /// A digest that is not one.
    #[error("{digest:?} is not a digest; only sha256:… and sha512:… in lower-case hexadecimal are accepted")]
    BadDigest {
        /// As found, shortened.
        digest: String,
    },

    // ---- the cache's folder ----
    /// No place for the cache is known.
    #[error("no folder for the cache: set XDG_CACHE_HOME or HOME to an absolute path, or name a folder")]
    NoCacheHome,
    /// The cache could be tampered with.
    #[error(
        "{} must not be used as cache: {reason}; compiled files in it are run as native code. \
         Repair it (chown, chmod go-w), delete it, or name another folder",
        path.display()
    )]
    UnsafeCache {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file operation failed.
    #[error("can't {action} {}: {source}", path.display())]
    Io {
        /// A verb phrase.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// What is in use leaves no room.
    #[error(
        "the cache {} has no room for {wanted} bytes: {used} of its {bound} are in use by what runs or is being made; \
         allow it more (--cache-size, on a node SHOAL_CACHE_SIZE), or stop something",
        path.display()
    )]
    CacheFull {
        /// The cache's folder.
        path: PathBuf,
        /// How many bytes are to be written.
        wanted: u64,
        /// How many there are that can't be removed.
        used: u64,
        /// How many there may be.
        bound: u64,
    },
    /// Not in the cache, and asking a registry was forbidden.
    #[error("{reference} is not in the cache, and the pull policy Never forbids asking its registry")]
    NotCached {
        /// The reference.
        reference: String,
    },

    // ---- the registry ----
    /// No connection.
    #[error("can't connect to {registry}: {reason}{hint}")]
    Connect {
        /// host[:port].
        registry: String,
        /// The network's reason.
        reason: String,
        /// What to try; starts with its own punctuation, may be empty.
        hint: &'static str,
    },
    /// A registry that went silent.
    #[error("{what}: the registry sent nothing for {after:?}; check the network or try again later")]
    Stalled {
        /// Of what.
        what: String,
        /// The stall timeout.
        after: Duration,
    },
    /// The total timeout has passed.
    #[error("{what}: not done after {after:?}; raise the timeout or try again later")]
    TimedOut {
        /// Of what.
        what: String,
        /// The total timeout.
        after: Duration,
    },
    /// The connection broke.
    #[error("{what}: the connection broke: {reason}")]
    Broken {
        /// Of what.
        what: String,
        /// The network's reason.
        reason: String,
    },
    /// 401.
    #[error(
        "{registry} wants a login for {what} (401): {who}; run `docker login {registry}` or check the pull secret"
    )]
    Unauthorized {
        /// host[:port].
        registry: String,
        /// What was asked for.
        what: String,
        /// Which credentials were tried.
        who: String,
    },
    /// 403.
    #[error("{registry} denies access to {what} (403{detail}): {who}; ask its owner for access")]
    Denied {
        /// host[:port].
        registry: String,
        /// What was asked for.
        what: String,
        /// Which credentials were tried.
        who: String,
        /// What the registry said; starts with ": " unless empty.
        detail: String,
    },
    /// 404.
    #[error(
        "{registry} has no {what} (404); check the name and the tag. \
         Some registries say this of what the account may not see: {who}"
    )]
    NotFound {
        /// host[:port].
        registry: String,
        /// What was asked for.
        what: String,
        /// Which credentials were tried.
        who: String,
    },
    /// 429.
    #[error("{registry} limits how often it may be asked (429{detail}); log in for a higher limit or wait")]
    RateLimited {
        /// host[:port].
        registry: String,
        /// What the registry said; starts with ": " unless empty.
        detail: String,
    },
    /// Any other status that is no success.
    #[error("{what}: {registry} answered {status}{detail}")]
    Status {
        /// host[:port].
        registry: String,
        /// What was asked for.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What the registry said; starts with ": " unless empty.
        detail: String,
    },
    /// Retries did not help.
    #[error("{source} (gave up after {attempts} attempts)")]
    GaveUp {
        /// How often it was tried.
        attempts: u32,
        /// The last attempt's error.
        source: Box<ArtifactError>,
    },
    /// A redirect or token server without TLS.
    #[error(
        "{registry} points to {to}, which would be spoken to without TLS; \
         if that is meant, allow plain HTTP for that host"
    )]
    Insecure {
        /// host[:port].
        registry: String,
        /// Scheme and host it pointed to.
        to: String,
    },
    /// An answer that breaks the protocol.
    #[error("{registry} breaks the registry protocol: {reason}")]
    Protocol {
        /// host[:port].
        registry: String,
        /// How.
        reason: String,
    },
    /// A push that failed inside the client library.
    #[error("can't push {reference}: {reason}")]
    Push {
        /// The reference.
        reference: String,
        /// The library's reason.
        reason: String,
    },
    /// A push to a digest.
    #[error("{reference} names a digest; push to a tag, the digest follows from the bytes")]
    PushToDigest {
        /// The reference.
        reference: String,
    },

    // ---- credentials ----
    /// A credentials file that can't be used.
    #[error("the credentials for {registry} in {origin} can't be used: {reason}")]
    Credentials {
        /// host[:port].
        registry: String,
        /// The file or secret.
        origin: String,
        /// Why.
        reason: String,
    },

    // ---- what was received ----
    /// Bytes that are not those that were promised.
    #[error(
        "{what}: the bytes do not have the digest {expected} but {actual}; they were corrupted or exchanged"
    )]
    DigestMismatch {
        /// Of what.
        what: String,
        /// What was promised.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// Larger than allowed.
    #[error("{what} is larger than the limit of {limit} bytes; make it smaller or raise the limit")]
    TooLarge {
        /// What.
        what: String,
        /// In bytes.
        limit: u64,
    },
    /// Another number of bytes than was promised.
    #[error("{what}: {got} bytes came where {expected} were announced; {hint}")]
    WrongSize {
        /// Of what.
        what: String,
        /// Bytes received (when too many: so far).
        got: u64,
        /// Bytes announced.
        expected: u64,
        /// What to make of it.
        hint: &'static str,
    },
    /// A manifest or index that is malformed.
    #[error("{what} is malformed: {reason}")]
    BadManifest {
        /// Manifest or index, and of what.
        what: String,
        /// Why.
        reason: String,
    },
    /// An index without a fitting entry.
    #[error(
        "none of the {count} images in the index is for WebAssembly (platforms: {platforms}); name one by digest"
    )]
    NoPlatform {
        /// How many there are.
        count: usize,
        /// What they are for.
        platforms: String,
    },
    /// No layer that could hold WebAssembly.
    #[error(
        "no layer holds WebAssembly (layers: {layers}); expected one layer of type application/wasm, \
         application/vnd.wasm.content.layer.v1+wasm, …+wasm, or a tar with one .wasm file"
    )]
    NoWasmLayer {
        /// The media types that were found.
        layers: String,
    },
    /// Several layers of which each could be it.
    #[error("{count} layers could be the component ({layers}); an image must hold exactly one")]
    SeveralLayers {
        /// How many.
        count: usize,
        /// Their media types.
        layers: String,
    },
    /// A layer that is not what its media type says.
    #[error("the layer is labelled {media_type} but is {found}; push it again with the right media type")]
    Mislabelled {
        /// The label.
        media_type: String,
        /// What the bytes are.
        found: &'static str,
    },
    /// Bytes that are not WebAssembly.
    #[error("{what} is not WebAssembly: it is {found}")]
    NotWasm {
        /// What was looked at.
        what: String,
        /// What it is.
        found: &'static str,
    },
    /// WebAssembly that ends early.
    #[error("{what} is cut off: its {len} bytes end in the middle of a section; build or copy it again")]
    TruncatedWasm {
        /// What was looked at.
        what: String,
        /// Its length in bytes.
        len: u64,
    },
    /// WebAssembly with an impossible section.
    #[error("{what} is corrupted: the section at byte {at} has an impossible length; build or copy it again")]
    BadSection {
        /// What was looked at.
        what: String,
        /// Where.
        at: u64,
    },
    /// A tar layer that can't be read.
    #[error("the {media_type} layer can't be unpacked: {reason}")]
    BadArchive {
        /// The label.
        media_type: String,
        /// Why.
        reason: String,
    },
    /// A tar layer with none, or several.
    #[error("the {media_type} layer must hold exactly one .wasm file, but holds {found}")]
    WasmFilesInArchive {
        /// The label.
        media_type: String,
        /// What it holds.
        found: String,
    },
    /// A folder that is no OCI layout.
    #[error("{} is not an OCI image layout: {reason}", path.display())]
    BadLayout {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },

    // ---- compilation ----
    /// The compiler process failed or refused.
    #[error(transparent)]
    Compile(#[from] shoal_compile::CompileError),

    /// Components that are linked do not fit together.
    #[error("{reason}")]
    Unfit {
        /// Which, and why, in the words of the manifest.
        reason: String,
    },

    /// The failure of an operation that several callers shared.
    #[error(transparent)]
    Shared(#[from] Arc<ArtifactError>),
}

impl ArtifactError {
    /// The error behind retries and sharing.
    pub fn root(&self) -> &ArtifactError {
        match self {
            Self::GaveUp { source, .. } => source.root(),
            Self::Shared(error) => error.root(),
            other => other,
        }
    }
}

/// Adds what was done to which path to an I/O error.
pub(crate) trait IoContext<T> {
    fn io(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, ArtifactError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn io(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, ArtifactError> {
        self.map_err(|source| ArtifactError::Io {
            action,
            path: path.into(),
            source,
        })
    }
}
