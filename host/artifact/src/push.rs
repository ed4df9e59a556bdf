//! A file → a registry. What is sent is made in `package`; `oci_client` sends it, with a login from `auth`.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use oci_client::Reference;
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;
use oci_client::secrets::RegistryAuth;
use reqwest::header::HeaderValue;

use crate::credentials::Credential;
use crate::error::IoContext;
use crate::excerpt::excerpt;
use crate::http::{Access, Registry};
use crate::options::DEFAULT_MAX_SIZE;
use crate::package::{Ingredients, Interfaces, Package, PushFormat};
use crate::progress::{Running, Step};
use crate::retry::{Backoff, Failure};
use crate::{ArtifactError, Digest, Progress, Transport, fetch, ingest, magic};

/// How to push.
#[derive(Clone, Debug)]
pub struct PushOptions {
    /// In which format.
    pub format: PushFormat,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// What the component imports and exports, if it was looked at; goes into an artifact's config.
    pub interfaces: Option<Interfaces>,
    /// When it was made, in seconds since 1970. 0 unless said otherwise: pushing the same bytes twice must give the
    /// same digest.
    pub created: u64,
    /// The largest file in bytes.
    pub max_size: u64,
    /// How to talk to the registry.
    pub transport: Transport,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self {
            format: PushFormat::default(),
            annotations: BTreeMap::new(),
            interfaces: None,
            created: 0,
            max_size: DEFAULT_MAX_SIZE,
            transport: Transport::default(),
        }
    }
}

impl PushOptions {
    /// The defaults, and the date in `SOURCE_DATE_EPOCH` (reproducible-builds.org) if there is one.
    pub fn from_env() -> Self {
        let epoch = std::env::var("SOURCE_DATE_EPOCH")
            .ok()
            .and_then(|text| text.trim().parse().ok());
        Self {
            created: epoch.unwrap_or(0),
            ..Self::default()
        }
    }
}

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of the manifest.
    pub digest: Digest,
    /// The reference by digest, `registry/repository@sha256:…`.
    pub reference: String,
}

/// Pushes the WebAssembly in the file `path` to `reference`, which names a tag (`latest` unless given). Blobs that
/// the registry has already are not sent again.
///
/// # Errors
///
/// [`ArtifactError`] names what was wrong and what to do, within `options.transport.total_timeout`.
pub async fn push(
    path: &Path,
    reference: &Reference,
    options: &PushOptions,
    progress: &dyn Progress,
) -> Result<Pushed, ArtifactError> {
    if reference.digest().is_some() {
        return Err(ArtifactError::PushToDigest {
            reference: reference.whole(),
        });
    }
    let (wasm, package) = prepare(path, options).await?;
    let upload = async {
        let registry = Registry::open(reference, &options.transport, Access::Push).await?;
        let config = Bytes::from(package.config);
        let running = Running::start(progress, Step::Pushing, Some((wasm.len() + config.len()) as u64));
        registry
            .upload(Part::Blob(&package.layer_digest, &wasm), &running)
            .await?;
        registry
            .upload(Part::Blob(&package.config_digest, &config), &running)
            .await?;
        registry
            .upload(Part::Manifest(&Bytes::from(package.manifest)), &running)
            .await
    };
    let after = options.transport.total_timeout;
    match tokio::time::timeout(after, upload).await {
        Ok(result) => result?,
        Err(_elapsed) => {
            return Err(ArtifactError::TimedOut {
                what: format!("the push of {reference}"),
                after,
            });
        }
    }
    let digest = package.manifest_digest;
    let reference = format!("{}/{}@{digest}", reference.registry(), reference.repository());
    Ok(Pushed { digest, reference })
}

async fn prepare(path: &Path, options: &PushOptions) -> Result<(Bytes, Package), ArtifactError> {
    let (path, options) = (path.to_owned(), options.clone());
    fetch::blocking(move || {
        let mut wasm = Vec::new();
        let limit = options.max_size;
        ingest::open_regular(&path)?
            .take(limit.saturating_add(1))
            .read_to_end(&mut wasm)
            .io("read", &path)?;
        let (what, len) = (path.display().to_string(), wasm.len() as u64);
        if len > limit {
            return Err(ArtifactError::TooLarge { what, limit });
        }
        let content = magic::check_wasm(&what, &mut Cursor::new(&wasm), len).io("read", &path)??;
        let name = path
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let ingredients = Ingredients {
            wasm: &wasm,
            content,
            format: options.format,
            file_name: &name,
            annotations: &options.annotations,
            interfaces: options.interfaces.as_ref(),
            created: options.created,
        };
        let package = ingredients
            .package()
            .map_err(|error| ArtifactError::BadManifest {
                what,
                reason: error.to_string(),
            })?;
        Ok((Bytes::from(wasm), package))
    })
    .await
}

/// One upload.
#[derive(Clone, Copy)]
enum Part<'a> {
    Blob(&'a Digest, &'a Bytes),
    Manifest(&'a Bytes),
}

impl Registry<'_> {
    async fn upload(&self, part: Part<'_>, running: &Running<'_>) -> Result<(), ArtifactError> {
        let mut backoff = Backoff::new(self.transport);
        loop {
            match self.try_upload(part, running).await {
                Ok(()) => return Ok(()),
                Err(failure) => backoff.after(failure).await?,
            }
        }
    }

    async fn try_upload(&self, part: Part<'_>, running: &Running<'_>) -> Result<(), Failure> {
        // Anew for every part: a token may have expired while a large layer went up.
        let client = self.client().await?;
        let sent = Arc::new(AtomicU64::new(0));
        match part {
            Part::Blob(digest, bytes) => {
                let exists = client.blob_exists(self.reference, digest.as_str());
                if self.watched(&sent, None, exists).await? {
                    running.advanced(bytes.len() as u64);
                    return Ok(());
                }
                let stream = counted(bytes.clone(), sent.clone());
                let size = Some(bytes.len() as u64);
                let push = client.push_blob_stream(self.reference, stream, digest.as_str(), size);
                self.watched(&sent, Some(running), push).await?;
            }
            Part::Manifest(bytes) => {
                let content_type = HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE);
                let push = client.push_manifest_raw(self.reference, bytes.clone(), content_type);
                self.watched(&sent, None, push).await?;
            }
        }
        Ok(())
    }

    fn push_name(&self) -> String {
        format!("the push of {}", self.reference)
    }

    /// A client that is logged in.
    async fn client(&self) -> Result<Client, Failure> {
        self.get(&self.push_name(), &self.url("")?, "*/*").await?;
        let token = self.authorization();
        let token = token
            .as_ref()
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.strip_prefix("Bearer "));
        let auth = match (token, &self.credential) {
            (Some(token), _) => RegistryAuth::Bearer(token.to_owned()),
            (
                None,
                Credential::Basic {
                    username, password, ..
                },
            ) => RegistryAuth::Basic(username.clone(), password.clone()),
            (None, _) => RegistryAuth::Anonymous,
        };
        let plain = self.transport.plain_http.allows(self.name());
        let config = ClientConfig {
            protocol: if plain {
                ClientProtocol::Http
            } else {
                ClientProtocol::Https
            },
            // One PUT for a blob: its token is looked at once, and every registry knows it.
            use_monolithic_push: true,
            connect_timeout: Some(self.transport.connect_timeout),
            user_agent: concat!("shoal/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|error| self.translate(error))?;
        client
            .store_auth_if_needed(self.reference.resolve_registry(), &auth)
            .await;
        Ok(client)
    }

    /// Runs an upload until it ends or no byte was sent for the stall timeout. (`read_timeout` of the HTTP client
    /// would end uploads that take long, since it also runs while nothing is to be read.)
    async fn watched<T>(
        &self,
        sent: &AtomicU64,
        running: Option<&Running<'_>>,
        action: impl Future<Output = Result<T, OciDistributionError>>,
    ) -> Result<T, Failure> {
        let mut action = pin!(action);
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            let done = tokio::select! {
                done = &mut action => Some(done),
                _ = tick.tick() => None,
            };
            let now = sent.load(Ordering::Relaxed);
            if now > seen {
                if let Some(running) = running {
                    running.advanced(now - seen);
                }
                (seen, since) = (now, Instant::now());
            }
            match done {
                Some(result) => return result.map_err(|error| self.translate(error)),
                None if since.elapsed() >= self.transport.stall_timeout => {
                    return Err(self.stalled(&self.push_name()));
                }
                None => {}
            }
        }
    }

    /// What an error of the client library means.
    fn translate(&self, error: OciDistributionError) -> Failure {
        let what = self.push_name();
        match error {
            OciDistributionError::ServerError { code, message, .. } => {
                self.status(&what, code, &crate::http::detail(message.as_bytes()), None)
            }
            OciDistributionError::UnauthorizedError { .. }
            | OciDistributionError::AuthenticationFailure(_) => self.status(&what, 401, "", None),
            OciDistributionError::RegistryError { envelope, .. } => {
                let first = envelope.errors.first();
                let detail = first.map_or_else(String::new, |e| format!(": {}", excerpt(&e.message, 200)));
                let status = match first.map(|error| &error.code) {
                    Some(OciErrorCode::Unauthorized) => 401,
                    Some(OciErrorCode::Denied) => 403,
                    Some(OciErrorCode::NameUnknown) => 404,
                    Some(OciErrorCode::Toomanyrequests) => 429,
                    _ => 400,
                };
                self.status(&what, status, &detail, None)
            }
            OciDistributionError::RequestError(error) => match error.status() {
                Some(status) => self.status(&what, status.as_u16(), "", None),
                None => self.network(&what, error),
            },
            other => {
                let reason = excerpt(&other.to_string(), 300);
                ArtifactError::Push {
                    reference: self.reference.whole(),
                    reason,
                }
                .into()
            }
        }
    }
}

/// The bytes in pieces, counted when the connection takes them.
fn counted(
    bytes: Bytes,
    sent: Arc<AtomicU64>,
) -> impl futures::Stream<Item = Result<Bytes, OciDistributionError>> + Send + 'static {
    const PIECE: usize = 64 << 10;
    futures::stream::unfold(bytes, move |mut rest| {
        let sent = sent.clone();
        async move {
            if rest.is_empty() {
                return None;
            }
            let piece = rest.split_to(rest.len().min(PIECE));
            sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
            Some((Ok(piece), rest))
        }
    })
}
