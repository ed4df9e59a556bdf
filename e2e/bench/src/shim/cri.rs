//! kubelet's side of the Container Runtime Interface (k8s.io/cri-api, `runtime.v1`), as far as a pod's start and end need it: the
//! numbers are those of the fields in `api.proto`, and what is left out is not sent.

use containerd_client::tonic::client::Grpc;
use containerd_client::tonic::codegen::http::uri::PathAndQuery;
use containerd_client::tonic::transport::Channel;
use containerd_client::tonic::{Request, Status};
use prost::Message;
use std::collections::HashMap;
use std::path::Path;
use tonic_prost::ProstCodec;

#[derive(Clone, Message)]
pub(crate) struct PodSandboxMetadata {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) uid: String,
    #[prost(string, tag = "3")]
    pub(crate) namespace: String,
}

#[derive(Clone, Message)]
pub(crate) struct LinuxPodSandboxConfig {
    #[prost(string, tag = "1")]
    pub(crate) cgroup_parent: String,
}

#[derive(Clone, Message)]
pub(crate) struct PodSandboxConfig {
    #[prost(message, optional, tag = "1")]
    pub(crate) metadata: Option<PodSandboxMetadata>,
    #[prost(string, tag = "2")]
    pub(crate) hostname: String,
    #[prost(string, tag = "3")]
    pub(crate) log_directory: String,
    #[prost(message, optional, tag = "8")]
    pub(crate) linux: Option<LinuxPodSandboxConfig>,
}

#[derive(Clone, Message)]
struct RunPodSandboxRequest {
    #[prost(message, optional, tag = "1")]
    config: Option<PodSandboxConfig>,
    #[prost(string, tag = "2")]
    runtime_handler: String,
}

/// Of every request and answer that has an identifier alone.
#[derive(Clone, Message)]
struct Id {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, Message)]
struct ImageSpec {
    #[prost(string, tag = "1")]
    image: String,
}

#[derive(Clone, Message)]
struct ContainerMetadata {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, Message)]
struct ContainerConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ContainerMetadata>,
    #[prost(message, optional, tag = "2")]
    image: Option<ImageSpec>,
    #[prost(string, repeated, tag = "4")]
    args: Vec<String>,
    #[prost(map = "string, string", tag = "10")]
    annotations: HashMap<String, String>,
    #[prost(string, tag = "11")]
    log_path: String,
}

#[derive(Clone, Message)]
struct CreateContainerRequest {
    #[prost(string, tag = "1")]
    pod_sandbox_id: String,
    #[prost(message, optional, tag = "2")]
    config: Option<ContainerConfig>,
    #[prost(message, optional, tag = "3")]
    sandbox_config: Option<PodSandboxConfig>,
}

#[derive(Clone, Message)]
struct PullImageRequest {
    #[prost(message, optional, tag = "1")]
    image: Option<ImageSpec>,
}

#[derive(Clone, Message)]
struct Network {
    #[prost(string, tag = "1")]
    ip: String,
}

#[derive(Clone, Message)]
struct SandboxStatus {
    #[prost(message, optional, tag = "5")]
    network: Option<Network>,
}

#[derive(Clone, Message)]
struct SandboxStatusResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<SandboxStatus>,
}

#[derive(Clone, Message)]
struct Nothing {}

/// containerd's CRI plugin.
pub(crate) struct Cri(Grpc<Channel>);

/// What runs in a pod's container.
pub(crate) struct Program<'a> {
    pub(crate) image: &'a str,
    pub(crate) args: Vec<String>,
}

impl Cri {
    pub(crate) async fn connect(socket: &Path) -> anyhow::Result<Self> {
        Ok(Self(Grpc::new(containerd_client::connect(socket).await?)))
    }

    async fn call<Q, A>(&mut self, service: &str, method: &str, request: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.0
            .ready()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let path = format!("/runtime.v1.{service}/{method}");
        let path = PathAndQuery::try_from(path).map_err(|error| Status::internal(error.to_string()))?;
        let codec = ProstCodec::<Q, A>::default();
        Ok(self
            .0
            .unary(Request::new(request), path, codec)
            .await?
            .into_inner())
    }

    async fn runtime<Q: Message + 'static, A: Message + Default + 'static>(
        &mut self,
        method: &str,
        request: Q,
    ) -> Result<A, Status> {
        self.call("RuntimeService", method, request).await
    }

    pub(crate) async fn pull(&mut self, image: &str) -> Result<(), Status> {
        let image = Some(ImageSpec {
            image: image.to_owned(),
        });
        self.call::<_, Nothing>("ImageService", "PullImage", PullImageRequest { image })
            .await?;
        Ok(())
    }

    pub(crate) async fn run_pod_sandbox(
        &mut self,
        config: &PodSandboxConfig,
        handler: &str,
    ) -> Result<String, Status> {
        let request = RunPodSandboxRequest {
            config: Some(config.clone()),
            runtime_handler: handler.to_owned(),
        };
        Ok(self.runtime::<_, Id>("RunPodSandbox", request).await?.id)
    }

    pub(crate) async fn create_container(
        &mut self,
        pod: &str,
        config: &PodSandboxConfig,
        program: &Program<'_>,
    ) -> Result<String, Status> {
        let ports = r#"[{"name":"http","containerPort":80,"protocol":"TCP"}]"#;
        let request = CreateContainerRequest {
            pod_sandbox_id: pod.to_owned(),
            config: Some(ContainerConfig {
                metadata: Some(ContainerMetadata {
                    name: "web".to_owned(),
                }),
                image: Some(ImageSpec {
                    image: program.image.to_owned(),
                }),
                args: program.args.clone(),
                annotations: HashMap::from([("io.kubernetes.container.ports".to_owned(), ports.to_owned())]),
                log_path: "web.log".to_owned(),
            }),
            sandbox_config: Some(config.clone()),
        };
        Ok(self.runtime::<_, Id>("CreateContainer", request).await?.id)
    }

    pub(crate) async fn start_container(&mut self, id: &str) -> Result<(), Status> {
        let request = Id { id: id.to_owned() };
        self.runtime::<_, Nothing>("StartContainer", request).await?;
        Ok(())
    }

    /// The pod's address.
    pub(crate) async fn ip(&mut self, pod: &str) -> Result<String, Status> {
        let request = Id { id: pod.to_owned() };
        let response: SandboxStatusResponse = self.runtime("PodSandboxStatus", request).await?;
        let network = response.status.and_then(|status| status.network);
        network
            .map(|network| network.ip)
            .ok_or_else(|| Status::not_found("the pod has no address"))
    }

    pub(crate) async fn remove(&mut self, pod: &str) -> Result<(), Status> {
        let id = || Id { id: pod.to_owned() };
        self.runtime::<_, Nothing>("StopPodSandbox", id()).await?;
        self.runtime::<_, Nothing>("RemovePodSandbox", id()).await?;
        Ok(())
    }
}
