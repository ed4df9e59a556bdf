//! Credentials from pull secrets, found as kubelet finds them: which entries of which secrets open a repository, and in which order they
//! are tried (<https://kubernetes.io/docs/concepts/containers/images/#config-json>). Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use glob::Pattern;
use serde::Deserialize;

/// The name under which Docker keeps the logins of its own registry.
const DOCKER_HUB: &str = "index.docker.io";
/// The largest number of entries that are looked at, over all secrets of a pod.
const MOST: usize = 1_000;

/// A user's name and password, and where they were found.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Login {
    /// The user.
    pub username: String,
    /// The password or token.
    pub password: String,
    /// For messages: `Secret NAME`.
    pub origin: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the login of {:?} from {}", self.username, self.origin)
    }
}

/// How a pull secret is written: the types of Kubernetes' Secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullSecret {
    /// `kubernetes.io/dockerconfigjson`: Docker's `config.json`.
    DockerConfigJson,
    /// `kubernetes.io/dockercfg`: the value of its `auths` alone.
    DockerCfg,
}

/// Why a pull secret can't be read. It holds none of the secret's data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// It is not JSON of the form that its type asks for.
    #[error("it is not JSON of the form of Docker's config.json (line {line}, column {column})")]
    Form {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// An entry's `auth` is not a user and a password.
    #[error("the auth of its entry {entry:?} is not base64 of user:password")]
    Auth {
        /// The entry's key.
        entry: String,
    },
}

/// The entries of a pod's pull secrets.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// By host, port and path, the more specific first.
    entries: BTreeMap<Reverse<String>, Vec<Login>>,
    count: usize,
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    auth: String,
}

impl Keyring {
    /// Adds the entries of a secret; none of them where one is malformed, as kubelet has it.
    ///
    /// # Errors
    ///
    /// What is wrong with the secret. The keyring can still be used.
    pub fn add(&mut self, origin: &str, kind: PullSecret, json: &[u8]) -> Result<(), KeyringError> {
        let form = |error: serde_json::Error| KeyringError::Form {
            line: error.line(),
            column: error.column(),
        };
        let auths = match kind {
            PullSecret::DockerConfigJson => serde_json::from_slice::<DockerConfig>(json).map(|it| it.auths),
            PullSecret::DockerCfg => serde_json::from_slice(json),
        };
        let mut found = Vec::new();
        for (entry, value) in auths.map_err(form)? {
            let login = login(&value, origin).ok_or_else(|| KeyringError::Auth {
                entry: crate::excerpt::excerpt(&entry, 200),
            })?;
            found.push((key(&entry), login));
        }
        for (key, login) in found {
            if self.count < MOST {
                self.count += 1;
                self.entries.entry(Reverse(key)).or_default().push(login);
            }
        }
        Ok(())
    }

    /// The logins for a repository (`registry.example:5000/team/web`), in the order in which they are tried. Where there are none, the
    /// registry is asked without.
    pub fn lookup(&self, repository: &str) -> Vec<Login> {
        let entries = self.entries.iter();
        let found: Vec<_> = entries
            .filter(|(key, _)| opens(&key.0, repository))
            .flat_map(|(_, logins)| logins.clone())
            .collect();
        if !found.is_empty() || !is_docker_hub(repository) {
            return found;
        }
        let hub = self.entries.get(&Reverse(DOCKER_HUB.to_owned()));
        hub.cloned().unwrap_or_default()
    }
}

fn login(entry: &Entry, origin: &str) -> Option<Login> {
    let (username, password) = if entry.auth.is_empty() {
        (entry.username.clone(), entry.password.clone())
    } else {
        // Some tools leave out the padding, and some break lines.
        let text: String = entry.auth.split_whitespace().collect();
        let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
        let decoded = engine.decode(text.trim_end_matches('=')).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (username, password) = decoded.split_once(':')?;
        (username.to_owned(), password.trim_end_matches('\0').to_owned())
    };
    Some(Login {
        username,
        password,
        origin: origin.to_owned(),
    })
}

/// The key of an entry without its scheme, and without the version of Docker's old protocols.
fn key(entry: &str) -> String {
    let rest = entry
        .strip_prefix("https://")
        .or_else(|| entry.strip_prefix("http://"));
    let rest = rest.unwrap_or(entry);
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let old = path.starts_with("/v1/") || path.starts_with("/v2/");
    match path.get(3..) {
        Some(path) if old => format!("{host}{}", if path == "/" { "" } else { path }),
        _ if path == "/" => host.to_owned(),
        _ => rest.to_owned(),
    }
}

/// Whether an entry's key opens a repository: each part of the host's name may be a pattern, the port is the same, and the path begins
/// as the key's does.
fn opens(key: &str, repository: &str) -> bool {
    let (ours, path) = host_and_path(key);
    let (theirs, wanted) = host_and_path(repository);
    let (ours, port) = host_and_port(ours);
    let (theirs, wanted_port) = host_and_port(theirs);
    let parts: Vec<_> = ours.split('.').zip(theirs.split('.')).collect();
    port == wanted_port
        && ours.split('.').count() == theirs.split('.').count()
        && wanted.starts_with(path)
        && parts.iter().all(|(pattern, part)| matches(pattern, part))
}

fn host_and_path(text: &str) -> (&str, &str) {
    text.split_at(text.find('/').unwrap_or(text.len()))
}

fn host_and_port(host: &str) -> (&str, &str) {
    // An IPv6 address stands in brackets.
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host, ""),
    }
}

/// As Go's `path.Match`, which negates with `^`.
fn matches(pattern: &str, part: &str) -> bool {
    let pattern = Pattern::new(&pattern.replace("[^", "[!"));
    pattern.is_ok_and(|it| it.matches(part))
}

fn is_docker_hub(repository: &str) -> bool {
    let (first, rest) = host_and_path(repository);
    rest.is_empty() || matches!(first, "docker.io" | DOCKER_HUB) || !first.contains(['.', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A config.json with a login for each key, called by the key's number.
    fn keyring(keys: &[&str]) -> Keyring {
        let auths: serde_json::Map<_, _> = keys
            .iter()
            .enumerate()
            .map(|(number, key)| {
                let login = serde_json::json!({"username": number.to_string(), "password": "p"});
                ((*key).to_owned(), login)
            })
            .collect();
        let mut keyring = Keyring::default();
        let json = serde_json::json!({"auths": auths}).to_string();
        keyring
            .add("Secret pull", PullSecret::DockerConfigJson, json.as_bytes())
            .unwrap();
        keyring
    }

    fn users(keyring: &Keyring, repository: &str) -> String {
        let logins = keyring.lookup(repository);
        logins
            .iter()
            .map(|it| it.username.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn each_way_to_write_a_registry_opens_its_repositories() {
        let table = [
            // Key, repository, whether it opens it.
            ("registry.example", "registry.example/team/web", true),
            ("registry.example/", "registry.example/web", true),
            ("https://registry.example", "registry.example/web", true),
            ("http://registry.example/v1/", "registry.example/web", true),
            ("https://registry.example/v2/", "registry.example/web", true),
            ("https://registry.example/v2", "registry.example/web", false),
            ("registry.example:5000", "registry.example:5000/web", true),
            ("registry.example", "registry.example:5000/web", false),
            ("registry.example:5000", "registry.example/web", false),
            ("registry.example/team", "registry.example/team/web", true),
            // kubelet compares texts, not folders.
            ("registry.example/team", "registry.example/teammates/web", true),
            ("registry.example/team/", "registry.example/teammates/web", false),
            ("registry.example/other", "registry.example/team/web", false),
            ("*.registry.example", "a.registry.example/web", true),
            ("*.registry.example", "a.b.registry.example/web", false),
            ("*.registry.example", "registry.example/web", false),
            ("*.*.registry.example", "a.b.registry.example/web", true),
            ("registry.*", "registry.example/web", true),
            ("reg?stry.example", "registry.example/web", true),
            ("r[a-f]gistry.example", "registry.example/web", true),
            ("r[^a-f]gistry.example", "registry.example/web", false),
            ("[registry.example", "registry.example/web", false),
            ("*", "registry.example/web", false),
            ("", "registry.example/web", false),
            // What `kubectl create secret docker-registry` writes for Docker's own registry.
            ("https://index.docker.io/v1/", "docker.io/library/web", true),
            ("https://index.docker.io/v2/", "docker.io/library/web", true),
            ("index.docker.io", "docker.io/library/web", true),
            ("docker.io", "docker.io/library/web", true),
            ("https://index.docker.io/v1/", "registry.example/web", false),
            ("docker.io/team", "docker.io/library/web", false),
        ];
        for (key, repository, opens) in table {
            let found = users(&keyring(&[key]), repository);
            assert_eq!(found, if opens { "0" } else { "" }, "{key:?} and {repository}");
        }
    }

    #[test]
    fn the_more_specific_is_tried_first_and_all_are_tried() {
        let keyring = keyring(&[
            "*.example",
            "registry.example",
            "registry.example/team",
            "https://registry.example/team/web",
        ]);
        assert_eq!(users(&keyring, "registry.example/team/web"), "3 2 1 0");
        assert_eq!(users(&keyring, "registry.example/team/api"), "2 1 0");
        assert_eq!(users(&keyring, "other.example/web"), "0");
    }

    #[test]
    fn secrets_add_up_in_their_order() {
        let mut keyring = Keyring::default();
        let mut add = |origin, kind, json: &str| keyring.add(origin, kind, json.as_bytes());
        let auth = |auth: &str| format!(r#"{{"auths": {{"r.example": {{"auth": "{auth}"}}}}}}"#);
        add("a", PullSecret::DockerConfigJson, &auth("Ym9iOnM6ZXNhbWU=")).unwrap();
        add(
            "b",
            PullSecret::DockerCfg,
            r#"{"r.example": {"username": "u", "password": "p"}}"#,
        )
        .unwrap();
        add("c", PullSecret::DockerConfigJson, &auth("Ym9iOnM6ZXNhbWU")).unwrap();
        let error = add("d", PullSecret::DockerConfigJson, &auth("%%%")).unwrap_err();
        assert_eq!(
            error,
            KeyringError::Auth {
                entry: "r.example".to_owned()
            }
        );
        let error = add("e", PullSecret::DockerConfigJson, "{").unwrap_err();
        assert!(
            matches!(error, KeyringError::Form { line: 1, column: 1 }),
            "{error}"
        );
        let found = keyring.lookup("r.example/web");
        let found: Vec<_> = found
            .iter()
            .map(|it| (it.origin.as_str(), it.username.as_str(), it.password.as_str()))
            .collect();
        assert_eq!(
            found,
            [("a", "bob", "s:esame"), ("b", "u", "p"), ("c", "bob", "s:esame")]
        );
        assert!(!format!("{keyring:?}").contains("esame"));
    }
}
