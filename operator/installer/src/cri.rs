//! What we say to containerd by CRI (`runtime.v1`, k8s.io/cri-api), by hand: it is a tenth of it, and each field keeps its number.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use containerd_client::tonic::client::Grpc;
use containerd_client::tonic::codegen::http::uri::PathAndQuery;
use containerd_client::tonic::transport::Channel;
use containerd_client::tonic::{Request, Status};
use prost::Message;
use tonic_prost::ProstCodec;

const RUNTIME: &str = "/runtime.v1.RuntimeService/";
const IMAGES: &str = "/runtime.v1.ImageService/";
/// Of one request.
const PATIENCE: Duration = Duration::from_mins(1);
/// `NamespaceMode.NODE`.
const NODE: i32 = 2;
/// `ContainerState.CONTAINER_EXITED`.
pub(crate) const EXITED: i32 = 2;

/// Messages.
macro_rules! messages {
    ($($name:ident { $($tag:literal $field:ident: $kind:ty => [$($attribute:tt)+]);* $(;)? })*) => {
        $(
            #[derive(Clone, PartialEq, Message)]
            pub(crate) struct $name {
                $(#[prost($($attribute)+, tag = $tag)] pub(crate) $field: $kind,)*
            }
        )*
    };
}

messages! {
    Empty {}
    VersionResponse { "2" name: String => [string]; "3" version: String => [string] }
    StatusRequest { "1" verbose: bool => [bool] }
    StatusResponse {
        "1" status: Option<RuntimeStatus> => [message, optional];
        "2" info: HashMap<String, String> => [map = "string, string"];
        "3" handlers: Vec<Handler> => [message, repeated];
    }
    RuntimeStatus { "1" conditions: Vec<Condition> => [message, repeated] }
    Condition { "1" kind: String => [string]; "2" status: bool => [bool]; "3" reason: String => [string]; "4" message: String => [string] }
    Handler { "1" name: String => [string] }
    PodMetadata {
        "1" name: String => [string]; "2" uid: String => [string]; "3" namespace: String => [string]; "4" attempt: u32 => [uint32];
    }
    PodConfig {
        "1" metadata: Option<PodMetadata> => [message, optional];
        "3" log_directory: String => [string];
        "6" labels: HashMap<String, String> => [map = "string, string"];
        "8" linux: Option<LinuxPod> => [message, optional];
    }
    LinuxPod { "2" security: Option<PodSecurity> => [message, optional] }
    PodSecurity { "1" namespaces: Option<Namespaces> => [message, optional] }
    Namespaces { "1" network: i32 => [int32]; "2" pid: i32 => [int32]; "3" ipc: i32 => [int32] }
    RunPod { "1" config: Option<PodConfig> => [message, optional]; "2" handler: String => [string] }
    PodId { "1" id: String => [string] }
    ListPods { "1" filter: Option<PodFilter> => [message, optional] }
    PodFilter { "3" labels: HashMap<String, String> => [map = "string, string"] }
    Pods { "1" items: Vec<Pod> => [message, repeated] }
    Pod {
        "1" id: String => [string];
        "2" metadata: Option<PodMetadata> => [message, optional];
        "5" labels: HashMap<String, String> => [map = "string, string"];
        "7" handler: String => [string];
    }
    Image { "1" image: String => [string]; "18" said: String => [string] }
    ImageRequest { "1" image: Option<Image> => [message, optional] }
    ImageStatusResponse { "1" image: Option<ImageId> => [message, optional] }
    ImageId { "1" id: String => [string] }
    ContainerMetadata { "1" name: String => [string]; "2" attempt: u32 => [uint32] }
    ContainerConfig {
        "1" metadata: Option<ContainerMetadata> => [message, optional];
        "2" image: Option<Image> => [message, optional];
        "11" log_path: String => [string];
    }
    CreateContainer {
        "1" pod: String => [string];
        "2" config: Option<ContainerConfig> => [message, optional];
        "3" pod_config: Option<PodConfig> => [message, optional];
    }
    ContainerId { "1" id: String => [string] }
    ContainerStatusResponse { "1" status: Option<ContainerStatus> => [message, optional] }
    ContainerStatus {
        "3" state: i32 => [int32]; "7" exit_code: i32 => [int32]; "10" reason: String => [string]; "11" message: String => [string];
    }
}

impl PodConfig {
    /// A pod in the node's network, so that no network plug-in is needed for it.
    pub(crate) fn of_node(name: &str, namespace: &str, label: (&str, &str), logs: &Path) -> Self {
        let namespaces = Namespaces {
            network: NODE,
            ..Namespaces::default()
        };
        Self {
            metadata: Some(PodMetadata {
                name: name.to_owned(),
                uid: format!("{namespace}-{name}"),
                namespace: namespace.to_owned(),
                attempt: 0,
            }),
            log_directory: logs.display().to_string(),
            labels: HashMap::from([(label.0.to_owned(), label.1.to_owned())]),
            linux: Some(LinuxPod {
                security: Some(PodSecurity {
                    namespaces: Some(namespaces),
                }),
            }),
        }
    }
}

/// A connection.
#[derive(Clone, Debug)]
pub(crate) struct Cri(Channel);

impl Cri {
    pub(crate) async fn connect(socket: &Path) -> Result<Self, String> {
        let channel = containerd_client::connect(socket).await;
        channel.map(Self).map_err(|error| error.to_string())
    }

    pub(crate) fn channel(&self) -> Channel {
        self.0.clone()
    }

    pub(crate) async fn runtime<A>(&self, method: &str, request: impl Message + 'static) -> Result<A, Status>
    where
        A: Message + Default + 'static,
    {
        self.call(RUNTIME, method, request).await
    }

    pub(crate) async fn images<A>(&self, method: &str, request: impl Message + 'static) -> Result<A, Status>
    where
        A: Message + Default + 'static,
    {
        self.call(IMAGES, method, request).await
    }

    async fn call<Q, A>(&self, service: &str, method: &str, message: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = Grpc::new(self.channel());
        let ready = grpc.ready().await;
        ready.map_err(|error| Status::unavailable(error.to_string()))?;
        let path: PathAndQuery = format!("{service}{method}")
            .parse()
            .map_err(|_| Status::internal("no path"))?;
        let mut request = Request::new(message);
        request.set_timeout(PATIENCE);
        let codec: ProstCodec<Q, A> = ProstCodec::default();
        grpc.unary(request, path, codec)
            .await
            .map(|response| response.into_inner())
    }
}
