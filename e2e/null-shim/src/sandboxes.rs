//! containerd's Sandbox service, for `sandboxer = "shim"`: a pod is a row as well.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use containerd_shim_protos::protobuf::MessageField;
use containerd_shim_protos::sandbox_api::{
    CreateSandboxRequest, CreateSandboxResponse, PingRequest, PingResponse, PlatformRequest,
    PlatformResponse, SandboxMetricsRequest, SandboxMetricsResponse, SandboxStatusRequest,
    SandboxStatusResponse, ShutdownSandboxRequest, ShutdownSandboxResponse, StartSandboxRequest,
    StartSandboxResponse, StopSandboxRequest, StopSandboxResponse, WaitSandboxRequest, WaitSandboxResponse,
};
use containerd_shim_protos::sandbox_async::{Sandbox, create_sandbox};
use containerd_shim_protos::ttrpc::Result;
use containerd_shim_protos::ttrpc::asynchronous::{Service, TtrpcContext};
use containerd_shim_protos::types::platform::Platform;

use crate::table::{State, Table, pid};

struct Sandboxes(Arc<Table>);

/// The service under its name.
pub(crate) fn services(table: &Arc<Table>) -> HashMap<String, Service> {
    create_sandbox(Arc::new(Sandboxes(Arc::clone(table))))
}

#[async_trait]
impl Sandbox for Sandboxes {
    async fn create_sandbox(
        &self,
        _: &TtrpcContext,
        request: CreateSandboxRequest,
    ) -> Result<CreateSandboxResponse> {
        self.0
            .add(request.sandbox_id, request.bundle_path, State::Created)?;
        Ok(CreateSandboxResponse::default())
    }

    async fn start_sandbox(
        &self,
        _: &TtrpcContext,
        request: StartSandboxRequest,
    ) -> Result<StartSandboxResponse> {
        let row = self.0.get(&request.sandbox_id)?;
        row.start();
        Ok(StartSandboxResponse {
            pid: pid(),
            created_at: MessageField::some(row.created),
            ..StartSandboxResponse::default()
        })
    }

    async fn platform(&self, _: &TtrpcContext, _: PlatformRequest) -> Result<PlatformResponse> {
        // containerd makes network namespaces for Linux only.
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
        self.0.get(&request.sandbox_id)?.end(0);
        Ok(StopSandboxResponse::default())
    }

    async fn wait_sandbox(
        &self,
        _: &TtrpcContext,
        request: WaitSandboxRequest,
    ) -> Result<WaitSandboxResponse> {
        let (exit_status, at) = self.0.get(&request.sandbox_id)?.wait().await;
        Ok(WaitSandboxResponse {
            exit_status,
            exited_at: MessageField::some(at),
            ..WaitSandboxResponse::default()
        })
    }

    async fn sandbox_status(
        &self,
        _: &TtrpcContext,
        request: SandboxStatusRequest,
    ) -> Result<SandboxStatusResponse> {
        let row = self.0.get(&request.sandbox_id)?;
        // Before it may remove a sandbox, containerd wants to see that it is stopped.
        let (state, exited_at) = match row.state() {
            State::Created | State::Running => ("SANDBOX_READY", MessageField::none()),
            State::Ended { at, .. } => ("SANDBOX_NOTREADY", MessageField::some(at)),
        };
        Ok(SandboxStatusResponse {
            sandbox_id: request.sandbox_id,
            pid: pid(),
            state: state.to_owned(),
            created_at: MessageField::some(row.created),
            exited_at,
            ..SandboxStatusResponse::default()
        })
    }

    async fn ping_sandbox(&self, _: &TtrpcContext, request: PingRequest) -> Result<PingResponse> {
        self.0.get(&request.sandbox_id)?;
        Ok(PingResponse::default())
    }

    async fn shutdown_sandbox(
        &self,
        _: &TtrpcContext,
        request: ShutdownSandboxRequest,
    ) -> Result<ShutdownSandboxResponse> {
        self.0.remove(&request.sandbox_id)?.end(0);
        Ok(ShutdownSandboxResponse::default())
    }

    async fn sandbox_metrics(
        &self,
        _: &TtrpcContext,
        request: SandboxMetricsRequest,
    ) -> Result<SandboxMetricsResponse> {
        self.0.get(&request.sandbox_id)?;
        Ok(SandboxMetricsResponse::default())
    }
}
