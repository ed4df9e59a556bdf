//! `wasi:cli/run`: a program, run to its end for each point in time or message.

use crate::call::failure::Failure;
use crate::call::unit::{Cause, Unit};
use crate::code::instances::{Instances, Template};
use crate::code::linked::{Linked, Pre};
use shoal_capability::{Hold, State};
use std::sync::Arc;
use wasmtime::{InstancePre, Store, TypedFunc};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::{p2, p3};

pub(crate) enum Program {
    /// A core module of WASI preview 1.
    One(InstancePre<State>),
    Two(p2::bindings::CommandPre<State>),
    Three(p3::bindings::CommandPre<State>),
}

pub(crate) enum Run {
    One(TypedFunc<(), ()>),
    Two(p2::bindings::Command),
    Three(p3::bindings::Command),
}

impl Program {
    pub(crate) fn new(linked: &Linked, concurrent: bool) -> wasmtime::Result<Self> {
        Ok(match (&linked.pre, concurrent) {
            (Pre::Module(pre), _) => Self::One(pre.clone()),
            (Pre::Component(pre), true) => Self::Three(p3::bindings::CommandPre::new(pre.clone())?),
            (Pre::Component(pre), false) => Self::Two(p2::bindings::CommandPre::new(pre.clone())?),
        })
    }
}

impl Template for Program {
    type Instance = Run;

    async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Run> {
        // Nobody waits for its answer, and what it prints may be all that it does.
        store.data_mut().set_hold(Hold::UntilDeadline);
        Ok(match self {
            Self::One(pre) => {
                let instance = pre.instantiate_async(&mut *store).await?;
                Run::One(instance.get_typed_func(store, "_start")?)
            }
            Self::Two(pre) => Run::Two(pre.instantiate_async(store).await?),
            Self::Three(pre) => Run::Three(pre.instantiate_async(store).await?),
        })
    }
}

impl Run {
    /// Runs it to its end: its exit code.
    ///
    /// # Errors
    ///
    /// What ended it, where it was not the program itself.
    pub(crate) async fn call(&self, store: &mut Store<State>) -> wasmtime::Result<i32> {
        let ended = match self {
            Self::One(start) => start.call_async(store, ()).await.map(Ok),
            Self::Two(command) => command.wasi_cli_run().call_run(store).await,
            Self::Three(command) => {
                let run =
                    store.run_concurrent(async |accessor| command.wasi_cli_run().call_run(accessor).await);
                run.await.flatten()
            }
        };
        match ended {
            Ok(Ok(())) => Ok(0),
            Ok(Err(())) => Ok(1),
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(I32Exit(code)) => Ok(*code),
                None => Err(error),
            },
        }
    }
}

/// Runs it, and tells by its exit code whether that went well.
pub(super) async fn event(
    instances: Arc<Instances<Program>>,
    unit: Arc<Unit>,
    cause: Cause,
) -> Result<(), Failure> {
    let mut live = instances.take(&unit, cause).await?;
    match live.instance.call(&mut live.store).await {
        Ok(0) => Ok(()),
        Ok(code) => Err(Failure::Refused {
            reason: format!("exit code {code}"),
        }),
        Err(error) => Err(unit.fault(&error, &live.store).into()),
    }
}
