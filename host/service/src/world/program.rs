//! `wasi:cli/run`: a program, run to its end for each point in time or message.

use crate::failure::Failure;
use crate::instances::{Instances, Template};
use crate::unit::{Cause, Unit};
use shoal_capability::State;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::InstancePre;
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::{p2, p3};

pub(crate) enum Program {
    Two(p2::bindings::CommandPre<State>),
    Three(p3::bindings::CommandPre<State>),
}

pub(crate) enum Run {
    Two(p2::bindings::Command),
    Three(p3::bindings::Command),
}

impl Program {
    pub(super) fn new(pre: &InstancePre<State>, concurrent: bool) -> wasmtime::Result<Self> {
        Ok(match concurrent {
            true => Self::Three(p3::bindings::CommandPre::new(pre.clone())?),
            false => Self::Two(p2::bindings::CommandPre::new(pre.clone())?),
        })
    }
}

impl Template for Program {
    type Instance = Run;

    async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Run> {
        Ok(match self {
            Self::Two(pre) => Run::Two(pre.instantiate_async(store).await?),
            Self::Three(pre) => Run::Three(pre.instantiate_async(store).await?),
        })
    }
}

/// Runs it, and tells by its exit code whether that went well.
pub(super) async fn event(
    instances: Arc<Instances<Program>>,
    unit: Arc<Unit>,
    cause: Cause,
) -> Result<(), Failure> {
    let mut live = instances.take(&unit, cause).await?;
    let store = &mut live.store;
    let ended = match &live.instance {
        Run::Two(command) => command.wasi_cli_run().call_run(store).await,
        Run::Three(command) => {
            let run = store.run_concurrent(async |accessor| command.wasi_cli_run().call_run(accessor).await);
            run.await.flatten()
        }
    };
    let code = match ended {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(())) => 1,
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(I32Exit(0)) => return Ok(()),
            Some(I32Exit(code)) => *code,
            None => return Err(unit.fault(&error, &live.store).into()),
        },
    };
    Err(Failure::Refused {
        reason: format!("exit code {code}"),
    })
}
