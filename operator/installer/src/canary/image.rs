//! The canary's image, put into containerd's store as a pull would: blobs, then a record that names them.

use std::collections::HashMap;

use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::leases_client::LeasesClient;
use containerd_client::services::v1::{
    CreateImageRequest, CreateRequest, DeleteImageRequest, DeleteRequest, Image, WriteAction,
    WriteContentRequest,
};
use containerd_client::tonic::metadata::AsciiMetadataValue;
use containerd_client::tonic::transport::Channel;
use containerd_client::tonic::{Code, Request, Status};
use containerd_client::types::Descriptor;
use serde_json::json;

use crate::state::hash;

/// What kubelet's pods and images are in.
const NAMESPACE: &str = "k8s.io";
/// While it is held, nothing that is not named yet is collected.
const LEASE: &str = "shoal-installer-canary";
/// What the image is called.
pub(super) const NAME: &str = "shoal.dev/installer/canary:1";
const COMPONENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/canary.wasm"));

struct Blob {
    kind: &'static str,
    bytes: Vec<u8>,
    labels: HashMap<String, String>,
}

impl Blob {
    fn new(kind: &'static str, bytes: Vec<u8>) -> Self {
        Self {
            kind,
            bytes,
            labels: HashMap::new(),
        }
    }

    fn digest(&self) -> String {
        format!("sha256:{}", hash(&self.bytes))
    }

    fn descriptor(&self) -> serde_json::Value {
        json!({"mediaType": self.kind, "digest": self.digest(), "size": self.bytes.len()})
    }
}

/// Layer, configuration, manifest.
fn blobs() -> [Blob; 3] {
    let layer = Blob::new(
        "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
        COMPONENT.to_vec(),
    );
    // No layers to unpack, and a name to start: what each containerd takes as an image to run.
    let config = json!({
        "architecture": "wasm", "os": "wasip2",
        "config": {"Entrypoint": ["/canary.wasm"]},
        "rootfs": {"type": "layers", "diff_ids": []},
    });
    let config = Blob::new(
        "application/vnd.oci.image.config.v1+json",
        config.to_string().into_bytes(),
    );
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": kind, "config": config.descriptor(), "layers": [layer.descriptor()],
    });
    let mut manifest = Blob::new(kind, manifest.to_string().into_bytes());
    // What the garbage collector goes by.
    manifest.labels = HashMap::from([
        ("containerd.io/gc.ref.content.config".to_owned(), config.digest()),
        ("containerd.io/gc.ref.content.l.0".to_owned(), layer.digest()),
    ]);
    [layer, config, manifest]
}

/// Brings the image. Asked twice, it does no harm.
pub(super) async fn bring(channel: &Channel) -> Result<(), Status> {
    let mut leases = LeasesClient::new(channel.clone());
    let expires = ("containerd.io/gc.expire".to_owned(), in_an_hour());
    let lease = CreateRequest {
        id: LEASE.to_owned(),
        labels: HashMap::from([expires]),
    };
    unless(Code::AlreadyExists, leases.create(within(lease)).await)?;
    let put = put(channel).await;
    let lease = DeleteRequest {
        id: LEASE.to_owned(),
        sync: false,
    };
    let _expires = leases.delete(within(lease)).await;
    put
}

async fn put(channel: &Channel) -> Result<(), Status> {
    let mut content = ContentClient::new(channel.clone());
    let blobs = blobs();
    for blob in &blobs {
        let write = WriteContentRequest {
            action: WriteAction::Commit.into(),
            r#ref: format!("shoal-installer-{}", blob.digest()),
            total: length(blob),
            expected: blob.digest(),
            offset: 0,
            data: blob.bytes.clone(),
            labels: blob.labels.clone(),
        };
        let mut request = within(futures::stream::iter([write]));
        request
            .metadata_mut()
            .insert("containerd-lease", AsciiMetadataValue::from_static(LEASE));
        let written = async {
            let mut answers = content.write(request).await?.into_inner();
            while answers.message().await?.is_some() {}
            Ok(())
        };
        unless(Code::AlreadyExists, written.await)?;
    }
    let [_, _, manifest] = &blobs;
    let image = Image {
        name: NAME.to_owned(),
        labels: HashMap::from([("io.cri-containerd.image".to_owned(), "managed".to_owned())]),
        target: Some(Descriptor {
            media_type: manifest.kind.to_owned(),
            digest: manifest.digest(),
            size: length(manifest),
            ..Descriptor::default()
        }),
        ..Image::default()
    };
    let create = CreateImageRequest {
        image: Some(image),
        ..CreateImageRequest::default()
    };
    let created = ImagesClient::new(channel.clone()).create(within(create)).await;
    unless(Code::AlreadyExists, created).map(drop)
}

/// Removes it again.
pub(super) async fn drop_it(channel: &Channel) -> Result<(), Status> {
    let delete = DeleteImageRequest {
        name: NAME.to_owned(),
        sync: true,
        ..DeleteImageRequest::default()
    };
    let deleted = ImagesClient::new(channel.clone()).delete(within(delete)).await;
    unless(Code::NotFound, deleted).map(drop)
}

fn length(blob: &Blob) -> i64 {
    i64::try_from(blob.bytes.len()).unwrap_or(i64::MAX)
}

fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("containerd-namespace", AsciiMetadataValue::from_static(NAMESPACE));
    request
}

fn unless<T>(code: Code, outcome: Result<T, Status>) -> Result<Option<T>, Status> {
    match outcome {
        Ok(answer) => Ok(Some(answer)),
        Err(status) if status.code() == code => Ok(None),
        Err(status) => Err(status),
    }
}

/// RFC 3339, by way of a timestamp, which writes itself so.
fn in_an_hour() -> String {
    let later = std::time::SystemTime::now() + std::time::Duration::from_hours(1);
    prost_types::Timestamp::from(later).to_string()
}
