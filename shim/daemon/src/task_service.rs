//! containerd's Task service (`containerd.task.v3.Task`, and v2 of the same shape, for containerd 1.7) over the table in `node`.
//! Nothing is decided here.

use crate::error::Error;
use crate::events::any;
use crate::node::Node;
use crate::record::{Container, State};
use crate::report::{metrics, pid, timestamp};
use async_trait::async_trait;
use containerd_shim_protos::api::{
    CloseIORequest, ConnectRequest, ConnectResponse, CreateTaskRequest, CreateTaskResponse, DeleteRequest,
    DeleteResponse, Empty, ExecProcessRequest, KillRequest, PidsRequest, PidsResponse, ProcessInfo,
    ShutdownRequest, StartRequest, StartResponse, StateRequest, StateResponse, StatsRequest, StatsResponse,
    Status, UpdateTaskRequest, WaitRequest, WaitResponse,
};
use containerd_shim_protos::protobuf::{EnumOrUnknown, MessageField};
use containerd_shim_protos::shim_async::{Task, create_task};
use containerd_shim_protos::ttrpc::Result;
use containerd_shim_protos::ttrpc::asynchronous::{Service, TtrpcContext};
use std::collections::HashMap;
use std::sync::Arc;

/// The name that containerd 1.7 knows the service by.
const V2: &str = "containerd.task.v2.Task";
/// The header in which containerd says which of its namespaces a request is for.
const NAMESPACE: &str = "containerd-namespace-ttrpc";

struct Tasks(Arc<Node>);

/// The service under both of its names.
pub(crate) fn services(node: &Arc<Node>) -> HashMap<String, Service> {
    let service = || create_task(Arc::new(Tasks(Arc::clone(node))));
    let mut services = service();
    services.extend(service().into_values().map(|service| (V2.to_owned(), service)));
    services
}

impl Tasks {
    fn process(exec_id: &str) -> Result<()> {
        if exec_id.is_empty() {
            return Ok(());
        }
        Err(Error::NotFound {
            kind: "process",
            id: exec_id.to_owned(),
        }
        .into())
    }
}

#[async_trait]
impl Task for Tasks {
    async fn state(&self, _: &TtrpcContext, request: StateRequest) -> Result<StateResponse> {
        Self::process(&request.exec_id)?;
        let container = self.0.container(&request.id)?.get();
        let mut response = StateResponse {
            id: container.id,
            bundle: container.bundle,
            pid: pid(),
            stdin: container.stdin,
            stdout: container.stdout,
            stderr: container.stderr,
            ..StateResponse::default()
        };
        response.status = EnumOrUnknown::new(match &container.state {
            State::Created => Status::CREATED,
            State::Running => Status::RUNNING,
            State::Stopped { exit, at } => {
                response.exit_status = exit.ending.code().into();
                response.exited_at = MessageField::some(timestamp(*at));
                Status::STOPPED
            }
        });
        Ok(response)
    }

    async fn create(&self, context: &TtrpcContext, request: CreateTaskRequest) -> Result<CreateTaskResponse> {
        if request.terminal {
            return Err(Error::Unsupported {
                what: "a terminal",
                why: "a component has none; remove tty from the container",
            }
            .into());
        }
        let namespace = context.metadata.get(NAMESPACE).and_then(|values| values.first());
        self.0
            .create(Container {
                id: request.id,
                namespace: namespace.cloned().unwrap_or_else(|| "default".to_owned()),
                bundle: request.bundle,
                stdin: request.stdin,
                stdout: request.stdout,
                stderr: request.stderr,
                program: None,
                state: State::Created,
                worker: None,
            })
            .await
            .map_err(Error::of_start)?;
        Ok(CreateTaskResponse {
            pid: pid(),
            ..CreateTaskResponse::default()
        })
    }

    async fn start(&self, _: &TtrpcContext, request: StartRequest) -> Result<StartResponse> {
        Self::process(&request.exec_id)?;
        self.0.start(&request.id).await.map_err(Error::of_start)?;
        Ok(StartResponse {
            pid: pid(),
            ..StartResponse::default()
        })
    }

    async fn delete(&self, _: &TtrpcContext, request: DeleteRequest) -> Result<DeleteResponse> {
        Self::process(&request.exec_id)?;
        let (exit, at) = self.0.delete(&request.id).await?;
        Ok(DeleteResponse {
            pid: pid(),
            exit_status: exit.ending.code().into(),
            exited_at: MessageField::some(timestamp(at)),
            ..DeleteResponse::default()
        })
    }

    async fn kill(&self, _: &TtrpcContext, request: KillRequest) -> Result<Empty> {
        Self::process(&request.exec_id)?;
        self.0.kill(&request.id, request.signal).await?;
        Ok(Empty::default())
    }

    async fn wait(&self, _: &TtrpcContext, request: WaitRequest) -> Result<WaitResponse> {
        Self::process(&request.exec_id)?;
        let (exit, at) = self.0.container(&request.id)?.wait().await;
        Ok(WaitResponse {
            exit_status: exit.ending.code().into(),
            exited_at: MessageField::some(timestamp(at)),
            ..WaitResponse::default()
        })
    }

    async fn stats(&self, _: &TtrpcContext, request: StatsRequest) -> Result<StatsResponse> {
        let entry = self.0.container(&request.id)?;
        Ok(StatsResponse {
            stats: MessageField::some(any(&metrics(&entry))),
            ..StatsResponse::default()
        })
    }

    async fn connect(&self, _: &TtrpcContext, request: ConnectRequest) -> Result<ConnectResponse> {
        // After it was restarted, containerd asks for a sandbox too.
        if self.0.container(&request.id).is_err() {
            self.0.sandbox(&request.id)?;
        }
        Ok(ConnectResponse {
            shim_pid: pid(),
            task_pid: pid(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..ConnectResponse::default()
        })
    }

    async fn pids(&self, _: &TtrpcContext, request: PidsRequest) -> Result<PidsResponse> {
        self.0.container(&request.id)?;
        // It has no process of its own; but one without any is gone, to a containerd that was restarted.
        let process = ProcessInfo {
            pid: pid(),
            ..ProcessInfo::default()
        };
        Ok(PidsResponse {
            processes: vec![process],
            ..PidsResponse::default()
        })
    }

    async fn exec(&self, _: &TtrpcContext, _: ExecProcessRequest) -> Result<Empty> {
        Err(Error::Unsupported {
            what: "exec",
            why: "a component has no processes and no shell; see its logs, or run a Linux container beside it",
        }
        .into())
    }

    async fn update(&self, _: &TtrpcContext, _: UpdateTaskRequest) -> Result<Empty> {
        Err(Error::Unsupported {
            what: "a change of resources",
            why: "limits are set when a container is created; delete the pod to change them",
        }
        .into())
    }

    async fn close_io(&self, _: &TtrpcContext, _: CloseIORequest) -> Result<Empty> {
        // Standard input is at its end from the start.
        Ok(Empty::default())
    }

    async fn shutdown(&self, _: &TtrpcContext, _: ShutdownRequest) -> Result<Empty> {
        // Other pods live here; the keeper ends us.
        Ok(Empty::default())
    }
}
