//! containerd, as its shims see it: where it listens, and its store of images and their contents. Read only.

use crate::error::Error;
use crate::paths::Paths;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::events_client::EventsClient;
use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::{
    GetImageRequest, ListImagesRequest, ReadContentRequest, SubscribeRequest,
};
use containerd_client::tonic::metadata::AsciiMetadataValue;
use containerd_client::tonic::transport::Channel;
use containerd_client::tonic::{Code, Request, Status, Streaming};
use containerd_client::types::Envelope;
use shoal_artifact::Digest;
use shoal_channel::node::Containerd;
use std::collections::HashSet;
use std::io::Write;
use tokio::sync::Mutex;

/// containerd as the launcher has last written it down: it may have been configured anew since.
pub(crate) fn now(paths: &Paths) -> Result<Containerd, Error> {
    let path = paths.containerd();
    let bytes = std::fs::read(&path).map_err(Error::file("read", &path))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::file("read", &path)(error.into()))
}

/// The images of one containerd.
pub(crate) struct Store {
    paths: Paths,
    /// With the socket that it leads to.
    channel: Mutex<Option<(String, Channel)>>,
}

/// The manifest, or index, of an image.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) size: u64,
}

/// Images that are removed, as containerd tells of them. Those of a time when nobody asks wait.
pub(crate) struct Removals(Streaming<Envelope>);

impl Removals {
    /// Waits until one is removed; false where containerd tells nothing any more.
    pub(crate) async fn next(&mut self) -> bool {
        matches!(self.0.message().await, Ok(Some(_)))
    }
}

impl Store {
    pub(crate) fn new(paths: Paths) -> Self {
        Self {
            paths,
            channel: Mutex::default(),
        }
    }

    /// A connection that mends itself when containerd is restarted.
    async fn channel(&self) -> Result<Channel, Error> {
        let address = now(&self.paths)?.grpc_address;
        let mut held = self.channel.lock().await;
        if let Some((known, channel)) = held.as_ref()
            && *known == address
        {
            return Ok(channel.clone());
        }
        let path = address.strip_prefix("unix://").unwrap_or(&address);
        let channel = containerd_client::connect(path)
            .await
            .map_err(|error| Error::Containerd {
                address: address.clone(),
                reason: format!("{error}"),
            })?;
        *held = Some((address, channel.clone()));
        Ok(channel)
    }

    /// What a reference stands for in a namespace of containerd (`k8s.io` for kubelet's).
    pub(crate) async fn target(&self, namespace: &str, image: &str) -> Result<Target, Error> {
        let store = |reason: String| Error::Store {
            image: image.to_owned(),
            reason,
        };
        let mut client = ImagesClient::new(self.channel().await?);
        let request = within(
            namespace,
            GetImageRequest {
                name: image.to_owned(),
            },
        )
        .map_err(&store)?;
        let found = client.get(request).await.map_err(|status| store(said(&status)))?;
        let target = found.into_inner().image.and_then(|image| image.target);
        let target = target.ok_or_else(|| store("it holds no such image".to_owned()))?;
        Ok(Target {
            digest: Digest::parse(&target.digest).map_err(|error| store(error.to_string()))?,
            media_type: target.media_type,
            size: u64::try_from(target.size).unwrap_or(0),
        })
    }

    /// The digests of all images in a namespace.
    pub(crate) async fn images(&self, namespace: &str) -> Result<HashSet<String>, Error> {
        let mut client = ImagesClient::new(self.channel().await?);
        let request = within(namespace, ListImagesRequest::default()).map_err(|reason| self.lost(reason))?;
        let images = client.list(request).await;
        let images = images.map_err(|status| self.lost(status.message().to_owned()))?;
        let targets = images.into_inner().images.into_iter();
        Ok(targets.filter_map(|image| Some(image.target?.digest)).collect())
    }

    /// Tells of images that are removed from now on, in whatever namespace.
    pub(crate) async fn removals(&self) -> Result<Removals, Error> {
        let mut client = EventsClient::new(self.channel().await?);
        let filters = vec![r#"topic=="/images/delete""#.to_owned()];
        let events = client.subscribe(SubscribeRequest { filters }).await;
        let events = events.map_err(|status| self.lost(status.message().to_owned()))?;
        Ok(Removals(events.into_inner()))
    }

    fn lost(&self, reason: String) -> Error {
        let address = now(&self.paths).map(|it| it.grpc_address).unwrap_or_default();
        Error::Containerd { address, reason }
    }

    /// Copies a blob to `out`; what is copied is not verified here. At most `limit` bytes.
    pub(crate) async fn copy(
        &self,
        namespace: &str,
        image: &str,
        digest: &Digest,
        limit: u64,
        out: &mut (dyn Write + Send),
    ) -> Result<(), Error> {
        let store = |reason: String| Error::Store {
            image: image.to_owned(),
            reason,
        };
        let mut client = ContentClient::new(self.channel().await?);
        let read = ReadContentRequest {
            digest: digest.to_string(),
            offset: 0,
            size: 0,
        };
        let request = within(namespace, read).map_err(&store)?;
        let mut stream = client
            .read(request)
            .await
            .map_err(|status| store(missing(digest, &status)))?
            .into_inner();
        let mut copied = 0_u64;
        while let Some(chunk) = stream
            .message()
            .await
            .map_err(|status| store(missing(digest, &status)))?
        {
            copied += chunk.data.len() as u64;
            if copied > limit {
                return Err(store(format!("{digest} has more than the {limit} bytes allowed")));
            }
            out.write_all(&chunk.data)
                .map_err(|error| store(format!("{digest} cannot be copied: {error}")))?;
        }
        Ok(())
    }
}

fn within<T>(namespace: &str, message: T) -> Result<Request<T>, String> {
    let value: AsciiMetadataValue = namespace
        .parse()
        .map_err(|_| format!("{namespace:?} is no namespace"))?;
    let mut request = Request::new(message);
    request.metadata_mut().insert("containerd-namespace", value);
    Ok(request)
}

fn said(status: &Status) -> String {
    match status.code() {
        Code::NotFound => {
            "it holds no such image: was it removed since the container was created?".to_owned()
        }
        _ => status.message().to_owned(),
    }
}

fn missing(digest: &Digest, status: &Status) -> String {
    match status.code() {
        Code::NotFound => format!(
            "it does not hold {digest}: turn off discard_unpacked_layers in containerd's configuration, and pull the image again"
        ),
        _ => format!("{digest}: {}", status.message()),
    }
}
