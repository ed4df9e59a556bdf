//! containerd's Sandbox service (`containerd.runtime.sandbox.v1.Sandbox`), for `sandboxer = "shim"`: a pod without a pause container.
//! containerd has made the network namespace; all that we do is remember it.

use crate::dns::resolv_conf;
use crate::error::Error;
use crate::events::any;
use crate::node::Node;
use crate::record::Sandbox;
use crate::report::{pid, sandbox_metrics, timestamp};
use async_trait::async_trait;
use containerd_shim_protos::protobuf::MessageField;
use containerd_shim_protos::sandbox_api::{
    CreateSandboxRequest, CreateSandboxResponse, PingRequest, PingResponse, PlatformRequest,
    PlatformResponse, SandboxMetricsRequest, SandboxMetricsResponse, SandboxStatusRequest,
    SandboxStatusResponse, ShutdownSandboxRequest, ShutdownSandboxResponse, StartSandboxRequest,
    StartSandboxResponse, StopSandboxRequest, StopSandboxResponse, WaitSandboxRequest, WaitSandboxResponse,
};
use containerd_shim_protos::sandbox_async;
use containerd_shim_protos::ttrpc::Result;
use containerd_shim_protos::ttrpc::asynchronous::{Service, TtrpcContext};
use containerd_shim_protos::types::platform::Platform;
use prost::Message;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

/// As `SandboxStatus` says them (containerd: `core/sandbox/controller.go`, CRI's PodSandboxState).
const READY: &str = "SANDBOX_READY";
const NOT_READY: &str = "SANDBOX_NOTREADY";

struct Sandboxes(Arc<Node>);

pub(crate) fn services(node: &Arc<Node>) -> HashMap<String, Service> {
    sandbox_async::create_sandbox(Arc::new(Sandboxes(Arc::clone(node))))
}

/// The part of CRI's `runtime.v1.PodSandboxConfig` (k8s.io/cri-api) that matters here; the numbers are those of its fields.
#[derive(Message)]
struct PodSandboxConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<PodSandboxMetadata>,
    #[prost(message, optional, tag = "4")]
    dns_config: Option<DnsConfig>,
    #[prost(btree_map = "string, string", tag = "7")]
    annotations: BTreeMap<String, String>,
}

#[derive(Message)]
struct PodSandboxMetadata {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "3")]
    namespace: String,
}

#[derive(Message)]
struct DnsConfig {
    #[prost(string, repeated, tag = "1")]
    servers: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    searches: Vec<String>,
    #[prost(string, repeated, tag = "3")]
    options: Vec<String>,
}

#[async_trait]
impl sandbox_async::Sandbox for Sandboxes {
    async fn create_sandbox(
        &self,
        _: &TtrpcContext,
        request: CreateSandboxRequest,
    ) -> Result<CreateSandboxResponse> {
        let id = request.sandbox_id;
        let options = request.options.into_option().unwrap_or_default();
        let config = PodSandboxConfig::decode(options.value.as_slice()).map_err(|source| Error::Options {
            id: id.clone(),
            source,
        })?;
        let metadata = config.metadata.unwrap_or_default();
        let dns = config.dns_config.unwrap_or_default();
        self.0.add_sandbox(Sandbox {
            namespace: metadata.namespace,
            name: metadata.name,
            netns: Some(request.netns_path)
                .filter(|path| !path.is_empty())
                .map(Into::into),
            annotations: config.annotations,
            resolv: resolv_conf(&dns.servers, &dns.searches, &dns.options),
            created: SystemTime::now(),
            stopped: None,
            id,
        })?;
        Ok(CreateSandboxResponse::default())
    }

    async fn start_sandbox(
        &self,
        _: &TtrpcContext,
        request: StartSandboxRequest,
    ) -> Result<StartSandboxResponse> {
        let sandbox = self.0.sandbox(&request.sandbox_id)?;
        Ok(StartSandboxResponse {
            pid: pid(),
            created_at: MessageField::some(timestamp(sandbox.created)),
            ..StartSandboxResponse::default()
        })
    }

    async fn platform(&self, _: &TtrpcContext, _: PlatformRequest) -> Result<PlatformResponse> {
        // What containerd makes the containers' specification for; it knows no other that has network namespaces.
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Ok(PlatformResponse {
            platform: MessageField::some(Platform {
                os: "linux".to_owned(),
                architecture: architecture.to_owned(),
                ..Platform::default()
            }),
            ..PlatformResponse::default()
        })
    }

    async fn stop_sandbox(
        &self,
        _: &TtrpcContext,
        request: StopSandboxRequest,
    ) -> Result<StopSandboxResponse> {
        self.0.stop_sandbox(&request.sandbox_id)?;
        Ok(StopSandboxResponse::default())
    }

    async fn wait_sandbox(
        &self,
        _: &TtrpcContext,
        request: WaitSandboxRequest,
    ) -> Result<WaitSandboxResponse> {
        let stopped = self.0.wait_sandbox(&request.sandbox_id).await?;
        Ok(WaitSandboxResponse {
            exited_at: MessageField::some(timestamp(stopped.unwrap_or_else(SystemTime::now))),
            ..WaitSandboxResponse::default()
        })
    }

    async fn sandbox_status(
        &self,
        _: &TtrpcContext,
        request: SandboxStatusRequest,
    ) -> Result<SandboxStatusResponse> {
        let sandbox = self.0.sandbox(&request.sandbox_id)?;
        let state = if sandbox.stopped.is_none() {
            READY
        } else {
            NOT_READY
        };
        Ok(SandboxStatusResponse {
            sandbox_id: sandbox.id,
            pid: pid(),
            state: state.to_owned(),
            created_at: MessageField::some(timestamp(sandbox.created)),
            exited_at: sandbox.stopped.map(timestamp).into(),
            ..SandboxStatusResponse::default()
        })
    }

    async fn ping_sandbox(&self, _: &TtrpcContext, request: PingRequest) -> Result<PingResponse> {
        self.0.sandbox(&request.sandbox_id)?;
        Ok(PingResponse::default())
    }

    async fn shutdown_sandbox(
        &self,
        _: &TtrpcContext,
        request: ShutdownSandboxRequest,
    ) -> Result<ShutdownSandboxResponse> {
        self.0.stop_sandbox(&request.sandbox_id)?;
        // With whatever is still in it: containerd has given it up.
        self.0.discard(&request.sandbox_id).await;
        Ok(ShutdownSandboxResponse::default())
    }

    async fn sandbox_metrics(
        &self,
        _: &TtrpcContext,
        request: SandboxMetricsRequest,
    ) -> Result<SandboxMetricsResponse> {
        self.0.sandbox(&request.sandbox_id)?;
        let mut response = SandboxMetricsResponse::default();
        let metrics = response.metrics.mut_or_insert_default();
        metrics.id.clone_from(&request.sandbox_id);
        metrics.timestamp = MessageField::some(timestamp(SystemTime::now()));
        metrics.data = MessageField::some(any(&sandbox_metrics(&self.0, &request.sandbox_id)));
        Ok(response)
    }
}
