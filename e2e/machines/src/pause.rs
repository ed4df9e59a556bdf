//! An image that containerd takes for its pause image, as an OCI archive: machines reach no registry, and our shim never runs it.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The archive of an image of this name.
pub fn archive(name: &str) -> std::io::Result<Vec<u8>> {
    let layer = tar::Builder::new(Vec::new()).into_inner()?;
    let diff = digest(&layer);
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/pause"]},
        "rootfs": {"type": "layers", "diff_ids": [diff]},
    })
    .to_string();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", config.as_bytes()),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    })
    .to_string();
    let mut of_manifest = descriptor("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
    of_manifest["annotations"] = json!({"io.containerd.image.name": name});
    of_manifest["platform"] = json!({"architecture": "amd64", "os": "linux"});
    let index = json!({"schemaVersion": 2, "manifests": [of_manifest]}).to_string();
    let mut archive = tar::Builder::new(Vec::new());
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", digest(bytes).trim_start_matches("sha256:"));
    let files = [
        (
            "oci-layout".to_owned(),
            br#"{"imageLayoutVersion": "1.0.0"}"#.to_vec(),
        ),
        ("index.json".to_owned(), index.into_bytes()),
        (blob(manifest.as_bytes()), manifest.clone().into_bytes()),
        (blob(config.as_bytes()), config.clone().into_bytes()),
        (blob(&layer), layer),
    ];
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path, &*content)?;
    }
    archive.into_inner()
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": digest(bytes), "size": bytes.len()})
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
