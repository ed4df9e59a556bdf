//! Debian's docker-registry, started by a test on a port of the kernel's choice and ended by its process id.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use serde_json::json;
use shoal_artifact::{Digest, Reference};

/// The user that a registry with a login knows, and the bcrypt of her password for its htpasswd file.
pub(crate) const USER: (&str, &str) = ("alibaba", "open sesame");
const HTPASSWD: &str = "alibaba:$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n";

pub(crate) struct DockerRegistry {
    /// `127.0.0.1:port`.
    pub(crate) name: String,
    child: Child,
    _dir: tempfile::TempDir,
}

impl DockerRegistry {
    pub(crate) fn start(login: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let storage = dir.path().join("storage");
        let mut config = json!({
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": storage}},
            "http": {"addr": "127.0.0.1:0"},
        });
        if login {
            let passwords = dir.path().join("htpasswd");
            std::fs::write(&passwords, HTPASSWD).unwrap();
            config["auth"] = json!({"htpasswd": {"realm": "test", "path": passwords}});
        }
        // JSON is YAML.
        let path = dir.path().join("config.yml");
        std::fs::write(&path, config.to_string()).unwrap();
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("docker-registry can't be run ({error}): apt-get install docker-registry")
            });
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut seen = String::new();
        let name = loop {
            let line = log
                .next()
                .unwrap_or_else(|| panic!("docker-registry ended: {seen}"))
                .unwrap();
            if let Some((_, address)) = line.split_once("listening on ") {
                break address
                    .trim_matches(|c: char| !c.is_ascii_digit())
                    .split('"')
                    .next()
                    .unwrap()
                    .to_owned();
            }
            seen.push_str(&line);
        };
        // It must not die of a full pipe.
        std::thread::spawn(move || log.for_each(drop));
        Self {
            name,
            child,
            _dir: dir,
        }
    }

    pub(crate) fn reference(&self, rest: &str) -> Reference {
        shoal_artifact::parse_reference(&format!("{}/{rest}", self.name)).unwrap()
    }

    /// A client for what our own push has no format for.
    fn client(&self) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::new(ClientConfig {
            protocol: ClientProtocol::Http,
            ..ClientConfig::default()
        })
    }

    async fn blob(&self, reference: &Reference, media_type: &str, bytes: &[u8]) -> OciDescriptor {
        let digest = Digest::of(bytes).to_string();
        self.client()
            .push_blob(reference, Bytes::copy_from_slice(bytes), &digest)
            .await
            .unwrap();
        OciDescriptor {
            media_type: media_type.to_owned(),
            digest,
            size: bytes.len() as i64,
            ..OciDescriptor::default()
        }
    }

    /// Stores an image with these layers (media type, bytes); returns its manifest's digest and size.
    pub(crate) async fn put(
        &self,
        reference: &Reference,
        config: (&str, &[u8]),
        layers: &[(&str, &[u8])],
    ) -> (String, usize) {
        let mut manifest = OciImageManifest {
            media_type: Some("application/vnd.oci.image.manifest.v1+json".to_owned()),
            config: self.blob(reference, config.0, config.1).await,
            ..OciImageManifest::default()
        };
        for (media_type, bytes) in layers {
            manifest
                .layers
                .push(self.blob(reference, media_type, bytes).await);
        }
        self.put_manifest(
            reference,
            manifest.media_type.as_ref().unwrap(),
            serde_json::to_vec(&manifest).unwrap(),
        )
        .await
    }

    pub(crate) async fn put_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: Vec<u8>,
    ) -> (String, usize) {
        let client = self.client();
        client
            .store_auth_if_needed(&self.name, &RegistryAuth::Anonymous)
            .await;
        let (digest, size) = (Digest::of(&bytes).to_string(), bytes.len());
        client
            .push_manifest_raw(reference, bytes, media_type.parse().unwrap())
            .await
            .unwrap();
        (digest, size)
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
