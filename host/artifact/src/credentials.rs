//! Which credentials a registry gets, from docker's configuration. What is done with them is in `auth`.
//!
//! `docker_credential` reads the file and runs the helpers. It sets a helper no time limit and would run those that
//! a foreign file names, so it runs on a thread of its own here, and helpers are cut out of what is not a file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use docker_credential::{CredentialRetrievalError as Failed, DockerCredential};

use crate::error::IoContext;
use crate::excerpt::excerpt;
use crate::{ArtifactError, CredentialSource};

/// A helper may have to ask a user, but not for ever.
const HELPER_TIMEOUT: Duration = Duration::from_secs(60);

/// What a registry is shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// Nothing; `why` is for the error when the registry insists.
    Anonymous { why: String },
    /// A user's name and password, found in `origin`.
    Basic {
        username: String,
        password: String,
        origin: String,
    },
    /// An OAuth2 refresh token (docker's `identitytoken`), found in `origin`.
    Identity { token: String, origin: String },
}

impl Credential {
    /// For error messages: whose credentials were tried.
    pub(crate) fn who(&self) -> String {
        match self {
            Self::Anonymous { why } => why.clone(),
            Self::Basic { username, origin, .. } => {
                format!("tried the login of {:?} from {origin}", excerpt(username, 100))
            }
            Self::Identity { origin, .. } => format!("tried the identity token from {origin}"),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.who())
    }
}

/// Looks up the credentials for `registry` (`host[:port]`, as a reference has it).
pub(crate) async fn find(source: &CredentialSource, registry: &str) -> Result<Credential, ArtifactError> {
    let (json, origin, run_helpers) = match source {
        CredentialSource::Anonymous => {
            return Ok(Credential::Anonymous {
                why: "no credentials were to be used".to_owned(),
            });
        }
        CredentialSource::Login(login) => {
            return Ok(Credential::Basic {
                username: login.username.clone(),
                password: login.password.clone(),
                origin: login.origin.clone(),
            });
        }
        CredentialSource::Json(json) => (json.clone(), "the pull secret".to_owned(), false),
        CredentialSource::File(path) => (
            std::fs::read(path).io("read the credentials in", path)?,
            path.display().to_string(),
            true,
        ),
        CredentialSource::Docker => match docker_config()? {
            Some((json, path)) => (json, path.display().to_string(), true),
            None => {
                let why = "there are no credentials, as there is no docker config.json".to_owned();
                return Ok(Credential::Anonymous { why });
            }
        },
    };
    let bad = |reason: String| ArtifactError::Credentials {
        registry: registry.to_owned(),
        origin: origin.clone(),
        reason,
    };
    let mut config: serde_json::Value =
        serde_json::from_slice(&json).map_err(|error| bad(format!("it is not JSON: {error}")))?;
    if !run_helpers && let Some(config) = config.as_object_mut() {
        config.remove("credHelpers");
        config.remove("credsStore");
    }
    match retrieve(config.to_string(), registry.to_owned()).await {
        None => Err(bad(format!(
            "its helper did not answer within {HELPER_TIMEOUT:?}"
        ))),
        Some(Ok(DockerCredential::IdentityToken(token))) => Ok(Credential::Identity { token, origin }),
        Some(Ok(DockerCredential::UsernamePassword(username, password))) => Ok(Credential::Basic {
            username,
            password,
            origin,
        }),
        Some(Err(error)) if is_none(&error) => Ok(Credential::Anonymous {
            why: format!("{origin} has no credentials for it"),
        }),
        Some(Err(error)) => Err(bad(describe(&error))),
    }
}

fn docker_config() -> Result<Option<(Vec<u8>, PathBuf)>, ArtifactError> {
    let dir = std::env::var_os("DOCKER_CONFIG")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from);
    let dir = dir.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".docker")));
    let Some(path) = dir.map(|dir| dir.join("config.json")) else {
        return Ok(None);
    };
    match std::fs::read(&path) {
        Ok(json) => Ok(Some((json, path))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).io("read the credentials in", path),
    }
}

/// `None` if a helper does not answer in time. Its thread is left behind then: tokio's own blocking threads would
/// keep the runtime from ending.
async fn retrieve(config: String, registry: String) -> Option<Result<DockerCredential, Failed>> {
    let (send, receive) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // Docker files its hub under a name from the past.
        let server = match registry.as_str() {
            "docker.io" | "index.docker.io" => "https://index.docker.io/v1/",
            other => other,
        };
        // The receiver is gone after a timeout, and then nobody wants the answer.
        let _ = send.send(docker_credential::get_credential_from_reader(
            config.as_bytes(),
            server,
        ));
    });
    tokio::time::timeout(HELPER_TIMEOUT, receive).await.ok()?.ok()
}

/// Helpers say that they have nothing by failing with a well-known sentence (docker-credential-helpers' protocol).
fn is_none(error: &Failed) -> bool {
    match error {
        Failed::NoCredentialConfigured => true,
        Failed::HelperFailure { stdout, stderr, .. } => [stdout, stderr]
            .iter()
            .any(|text| text.contains("credentials not found")),
        _ => false,
    }
}

fn describe(error: &Failed) -> String {
    match error {
        Failed::HelperFailure {
            helper,
            stdout,
            stderr,
        } => {
            let said = if stderr.trim().is_empty() { stdout } else { stderr };
            format!("{helper} failed: {}", excerpt(said.trim(), 200))
        }
        Failed::HelperCommunicationError => "its credential helper can't be run; is it installed?".to_owned(),
        Failed::CredentialDecodingError => "its auth is not base64 of user:password".to_owned(),
        Failed::ConfigReadError => "it has not the form of a docker config.json".to_owned(),
        other => excerpt(&other.to_string(), 200),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn from_json(json: &str, registry: &str) -> Result<Credential, String> {
        find(&CredentialSource::Json(json.as_bytes().to_vec()), registry)
            .await
            .map_err(|error| error.to_string())
    }

    fn basic(username: &str, password: &str) -> Credential {
        let origin = "the pull secret".to_owned();
        Credential::Basic {
            username: username.to_owned(),
            password: password.to_owned(),
            origin,
        }
    }

    #[tokio::test]
    async fn auths_are_found_by_registry() {
        let json = r#"{"auths": {
            "r.example:5000": {"auth": "Ym9iOnM6ZXNhbWU="},
            "https://index.docker.io/v1/": {"username": "hub", "password": "pw"},
            "token.example": {"auth": "AAAA", "identitytoken": "refresh"},
            "bad.example": {"auth": "%%%"}}}"#;
        assert_eq!(
            from_json(json, "r.example:5000").await.unwrap(),
            basic("bob", "s:esame")
        );
        assert_eq!(from_json(json, "docker.io").await.unwrap(), basic("hub", "pw"));
        assert!(matches!(from_json(json, "token.example").await.unwrap(),
            Credential::Identity { token, .. } if token == "refresh"));
        let none = from_json(json, "other.example").await.unwrap();
        assert_eq!(none.who(), "the pull secret has no credentials for it");
        let error = from_json(json, "bad.example").await.unwrap_err();
        assert!(
            error.contains("for bad.example in the pull secret") && error.contains("base64"),
            "{error}"
        );
        assert!(!format!("{:?}", basic("bob", "s:esame")).contains("esame"));
    }

    #[tokio::test]
    async fn broken_configurations_are_named() {
        assert!(from_json("{", "r").await.unwrap_err().contains("not JSON"));
        assert!(from_json("[]", "r").await.unwrap_err().contains("not the form"));
        let missing = CredentialSource::File(PathBuf::from("/nonexistent/config.json"));
        let error = find(&missing, "r").await.unwrap_err().to_string();
        assert!(error.contains("/nonexistent/config.json"), "{error}");
    }

    #[tokio::test]
    async fn helpers_of_a_secret_never_run() {
        let json = r#"{"credsStore": "shoal-nonexistent", "credHelpers": {"r": "shoal-nonexistent"}}"#;
        assert!(matches!(
            from_json(json, "r").await.unwrap(),
            Credential::Anonymous { .. }
        ));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), json).unwrap();
        let error = find(&CredentialSource::File(file.path().into()), "r")
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("is it installed?"), "{error}");
    }
}
