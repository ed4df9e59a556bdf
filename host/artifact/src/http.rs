//! Requests to a registry, and what its answers mean. Everything that it may do wrong is bounded: time and bytes here,
//! redirects in `redirect`, attempts in `retry`. What is asked is in `pull`, how to log in is in `auth`.

use std::error::Error as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use oci_client::Reference;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;

use crate::credentials::{self, Credential};
use crate::excerpt::excerpt;
use crate::redirect::{self, Insecure};
use crate::retry::Failure;
use crate::{ArtifactError, Transport};

/// What a login is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Pull,
    Push,
}

/// A registry, seen from one reference.
pub(crate) struct Registry<'a> {
    pub(crate) reference: &'a Reference,
    pub(crate) transport: &'a Transport,
    pub(crate) access: Access,
    pub(crate) credential: Credential,
    pub(crate) http: reqwest::Client,
    /// What the Authorization header says, once there was a login.
    authorization: Mutex<Option<HeaderValue>>,
}

impl<'a> Registry<'a> {
    pub(crate) async fn open(
        reference: &'a Reference,
        transport: &'a Transport,
        access: Access,
    ) -> Result<Self, ArtifactError> {
        // The HTTP client takes whichever provider of cryptography the process has; this is the one that all of
        // Shoal uses, so that no second one is compiled in. Failing means that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let registry = reference.registry();
        let credential = credentials::find(&transport.credentials, registry).await?;
        let http = reqwest::Client::builder()
            .user_agent(concat!("shoal/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(transport.connect_timeout)
            .redirect(redirect::policy(transport.plain_http.clone()))
            .build()
            .map_err(|error| ArtifactError::Connect {
                registry: registry.to_owned(),
                reason: reason(&error),
                hint: "",
            })?;
        Ok(Self {
            reference,
            transport,
            access,
            credential,
            http,
            authorization: Mutex::new(None),
        })
    }

    /// The registry as the reference writes it.
    pub(crate) fn name(&self) -> &str {
        self.reference.registry()
    }

    /// `path` below the API's root.
    pub(crate) fn url(&self, path: &str) -> Result<Url, ArtifactError> {
        let scheme = if self.transport.plain_http.allows(self.name()) {
            "http"
        } else {
            "https"
        };
        Url::parse(&format!(
            "{scheme}://{}/v2/{path}",
            self.reference.resolve_registry()
        ))
        .map_err(|error| ArtifactError::InvalidReference {
            reference: self.reference.whole(),
            reason: error.to_string(),
        })
    }

    /// What the Authorization header says now.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        self.authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_authorization(&self, mut value: HeaderValue) {
        value.set_sensitive(true);
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    /// GET, logging in when the registry asks for it. Succeeds on status 200 alone. `what` names the thing.
    pub(crate) async fn get(&self, what: &str, url: &Url, accept: &'static str) -> Result<Response, Failure> {
        let mut logged_in = false;
        loop {
            let mut request = self.http.get(url.clone()).header(ACCEPT, accept);
            if let Some(authorization) = self.authorization() {
                request = request.header(AUTHORIZATION, authorization);
            }
            let response = self.patient(what, request.send()).await?;
            match response.status() {
                StatusCode::OK => return Ok(response),
                // Also after a token has expired in the middle.
                StatusCode::UNAUTHORIZED if !logged_in => {
                    logged_in = true;
                    self.log_in(what, response.headers()).await?;
                }
                _ => return Err(self.refusal(what, response).await),
            }
        }
    }

    /// Waits for the registry, but no longer than the stall timeout.
    pub(crate) async fn patient<T>(
        &self,
        what: &str,
        action: impl Future<Output = reqwest::Result<T>>,
    ) -> Result<T, Failure> {
        let after = self.transport.stall_timeout;
        match tokio::time::timeout(after, action).await {
            Ok(result) => result.map_err(|error| self.network(what, error)),
            Err(_elapsed) => Err(self.stalled(what)),
        }
    }

    pub(crate) fn stalled(&self, what: &str) -> Failure {
        let error = ArtifactError::Stalled {
            what: what.to_owned(),
            after: self.transport.stall_timeout,
        };
        Failure::Again { error, after: None }
    }

    /// Reads a whole body of at most `limit` bytes.
    pub(crate) async fn read(
        &self,
        what: &str,
        mut response: Response,
        limit: u64,
    ) -> Result<Vec<u8>, Failure> {
        let too_large = || {
            Failure::Fatal(ArtifactError::TooLarge {
                what: what.to_owned(),
                limit,
            })
        };
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = self.patient(what, response.chunk()).await? {
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// What an answer other than success means.
    async fn refusal(&self, what: &str, mut response: Response) -> Failure {
        let status = response.status().as_u16();
        let after = retry_after(response.headers());
        let mut body = Vec::new();
        // An explanation is worth a few bytes and a short wait.
        while body.len() < 8192
            && let Ok(Some(chunk)) = self.patient(what, response.chunk()).await
        {
            body.extend_from_slice(&chunk);
        }
        self.status(what, status, &detail(&body), after)
    }

    /// What a status other than success means; `detail` is the registry's explanation, with ": " before it.
    pub(crate) fn status(&self, what: &str, status: u16, detail: &str, after: Option<Duration>) -> Failure {
        let (registry, what) = (self.name().to_owned(), what.to_owned());
        let (who, detail) = (self.credential.who(), detail.to_owned());
        match status {
            401 => Failure::Fatal(ArtifactError::Unauthorized { registry, what, who }),
            403 => Failure::Fatal(ArtifactError::Denied {
                registry,
                what,
                who,
                detail,
            }),
            404 => Failure::Fatal(ArtifactError::NotFound { registry, what, who }),
            429 => Failure::Again {
                error: ArtifactError::RateLimited { registry, detail },
                after,
            },
            500 | 502 | 503 | 504 => Failure::Again {
                error: ArtifactError::Status {
                    registry,
                    what,
                    status,
                    detail,
                },
                after,
            },
            _ => Failure::Fatal(ArtifactError::Status {
                registry,
                what,
                status,
                detail,
            }),
        }
    }

    /// What an error of the HTTP client means.
    pub(crate) fn network(&self, what: &str, error: reqwest::Error) -> Failure {
        let registry = self.name().to_owned();
        if let Some(Insecure(to)) = redirect::refused(&error) {
            return Failure::Fatal(ArtifactError::Insecure {
                registry,
                to: to.clone(),
            });
        }
        if error.is_redirect() {
            let reason = format!("{what}: too many redirects");
            return Failure::Fatal(ArtifactError::Protocol { registry, reason });
        }
        let reason = reason(&error);
        let error = if error.is_connect() {
            // What rustls says when it is answered in plain HTTP.
            let plain = reason.contains("InvalidContentType") || reason.contains("InvalidMessage");
            let hint = match plain {
                true => "; it does not seem to speak TLS: if that is meant, allow plain HTTP for it",
                false => "; check its name and the network",
            };
            ArtifactError::Connect {
                registry,
                reason,
                hint,
            }
        } else {
            ArtifactError::Broken {
                what: what.to_owned(),
                reason,
            }
        };
        Failure::Again { error, after: None }
    }
}

/// The innermost reasons of an HTTP client's error, which hides them behind "error sending request".
pub(crate) fn reason(error: &reqwest::Error) -> String {
    let mut reasons: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        if !reasons.iter().any(|reason| reason.contains(&text)) {
            reasons.push(text);
        }
        next = source.source();
    }
    match reasons.as_slice() {
        [] => excerpt(&error.to_string(), 200),
        [.., last] => excerpt(last, 200),
    }
}

/// In seconds. The other form, a date, would need the clocks to agree; it is left to the backoff.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

/// A registry's explanation in the form that the OCI distribution specification gives it, else nothing: an HTML
/// page of a proxy helps nobody.
pub(crate) fn detail(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Envelope {
        errors: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let envelope = serde_json::from_slice::<Envelope>(body).ok();
    let entry = envelope.and_then(|envelope| envelope.errors.into_iter().next());
    entry.map_or_else(String::new, |Entry { code, message }| {
        match (code.as_str(), message.as_str()) {
            ("", "") => String::new(),
            (text, "") | ("", text) => format!(": {}", excerpt(text, 200)),
            _ => format!(": {}, {}", excerpt(&code, 50), excerpt(&message, 200)),
        }
    })
}
