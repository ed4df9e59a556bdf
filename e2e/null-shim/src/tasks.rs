//! containerd's Task service, by its names of version 2 and 3: a container is made, started and ended by writing so into its row.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use containerd_shim_protos::api::{
    CloseIORequest, ConnectRequest, ConnectResponse, CreateTaskRequest, CreateTaskResponse, DeleteRequest,
    DeleteResponse, Empty, KillRequest, PidsRequest, PidsResponse, ProcessInfo, ShutdownRequest,
    StartRequest, StartResponse, StateRequest, StateResponse, StatsRequest, StatsResponse, Status,
    WaitRequest, WaitResponse,
};
use containerd_shim_protos::cgroups::metrics::Metrics;
use containerd_shim_protos::protobuf::well_known_types::any::Any;
use containerd_shim_protos::protobuf::{EnumOrUnknown, Message, MessageField, MessageFull};
use containerd_shim_protos::shim_async::{Task, create_task};
use containerd_shim_protos::ttrpc::asynchronous::{Service, TtrpcContext};
use containerd_shim_protos::ttrpc::{Code, Result};

use crate::table::{Row, State, Table, now, pid, rpc};

/// The name that containerd 1.7 knows the service by.
const V2: &str = "containerd.task.v2.Task";

struct Tasks(Arc<Table>);

/// The service under both of its names.
pub(crate) fn services(table: &Arc<Table>) -> HashMap<String, Service> {
    let service = || create_task(Arc::new(Tasks(Arc::clone(table))));
    let mut services = service();
    services.extend(service().into_values().map(|service| (V2.to_owned(), service)));
    services
}

impl Tasks {
    fn row(&self, id: &str, exec_id: &str) -> Result<Row> {
        if exec_id.is_empty() {
            return self.0.get(id);
        }
        Err(rpc(Code::NOT_FOUND, format!("there is no process {exec_id}")))
    }
}

#[async_trait]
impl Task for Tasks {
    async fn create(&self, _: &TtrpcContext, request: CreateTaskRequest) -> Result<CreateTaskResponse> {
        self.0.add(request.id, request.bundle, State::Created)?;
        Ok(CreateTaskResponse {
            pid: pid(),
            ..CreateTaskResponse::default()
        })
    }

    async fn start(&self, _: &TtrpcContext, request: StartRequest) -> Result<StartResponse> {
        self.row(&request.id, &request.exec_id)?.start();
        Ok(StartResponse {
            pid: pid(),
            ..StartResponse::default()
        })
    }

    async fn state(&self, _: &TtrpcContext, request: StateRequest) -> Result<StateResponse> {
        let row = self.row(&request.id, &request.exec_id)?;
        let mut response = StateResponse {
            id: request.id,
            bundle: row.bundle.clone(),
            pid: pid(),
            ..StateResponse::default()
        };
        response.status = EnumOrUnknown::new(match row.state() {
            State::Created => Status::CREATED,
            State::Running => Status::RUNNING,
            State::Ended { status, at } => {
                response.exit_status = status;
                response.exited_at = MessageField::some(at);
                Status::STOPPED
            }
        });
        Ok(response)
    }

    async fn kill(&self, _: &TtrpcContext, request: KillRequest) -> Result<Empty> {
        // As a process that does not handle the signal.
        self.row(&request.id, &request.exec_id)?.end(128 + request.signal);
        Ok(Empty::default())
    }

    async fn wait(&self, _: &TtrpcContext, request: WaitRequest) -> Result<WaitResponse> {
        let (exit_status, at) = self.row(&request.id, &request.exec_id)?.wait().await;
        Ok(WaitResponse {
            exit_status,
            exited_at: MessageField::some(at),
            ..WaitResponse::default()
        })
    }

    async fn delete(&self, _: &TtrpcContext, request: DeleteRequest) -> Result<DeleteResponse> {
        self.row(&request.id, &request.exec_id)?;
        let (exit_status, at) = match self.0.remove(&request.id)?.state() {
            State::Ended { status, at } => (status, at),
            State::Created | State::Running => (0, now()),
        };
        Ok(DeleteResponse {
            pid: pid(),
            exit_status,
            exited_at: MessageField::some(at),
            ..DeleteResponse::default()
        })
    }

    async fn connect(&self, _: &TtrpcContext, request: ConnectRequest) -> Result<ConnectResponse> {
        self.0.get(&request.id)?;
        Ok(ConnectResponse {
            shim_pid: pid(),
            task_pid: pid(),
            ..ConnectResponse::default()
        })
    }

    async fn pids(&self, _: &TtrpcContext, request: PidsRequest) -> Result<PidsResponse> {
        self.0.get(&request.id)?;
        // A container without any is one that containerd, once restarted, takes for a leak and ends.
        Ok(PidsResponse {
            processes: vec![ProcessInfo {
                pid: pid(),
                ..ProcessInfo::default()
            }],
            ..PidsResponse::default()
        })
    }

    async fn stats(&self, _: &TtrpcContext, request: StatsRequest) -> Result<StatsResponse> {
        self.0.get(&request.id)?;
        let nothing = Metrics::default();
        Ok(StatsResponse {
            stats: MessageField::some(Any {
                type_url: Metrics::descriptor().full_name().to_owned(),
                value: nothing.write_to_bytes().unwrap_or_default(),
                ..Any::default()
            }),
            ..StatsResponse::default()
        })
    }

    async fn close_io(&self, _: &TtrpcContext, _: CloseIORequest) -> Result<Empty> {
        Ok(Empty::default())
    }

    async fn shutdown(&self, _: &TtrpcContext, _: ShutdownRequest) -> Result<Empty> {
        // Other pods live here.
        Ok(Empty::default())
    }
}
