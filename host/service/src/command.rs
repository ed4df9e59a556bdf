//! `wasi:cli` components: run once, to an exit code. No trigger calls them yet.

use crate::admission::Admission;
use crate::deadline::{after, by};
use crate::limits::UnitLimits;
use crate::prepare::{admit, exports, granted};
use crate::unit::Unit;
use crate::{Host, ServiceError};
use shoal_api::{Component, Problem};
use shoal_artifact::{Progress, Source};
use shoal_capability::{GrantsBuilder, Mount, Stdio};
use shoal_engine::{Fault, metered};
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::time::Instant;
use wasmtime::component::Linker;
use wasmtime_wasi::I32Exit;

/// A program to run.
pub struct Command {
    /// Where it comes from.
    pub source: Source,
    /// Its name, arguments (without the program's name), variables, grants and limits, as in a manifest.
    pub component: Component,
    /// Folders, which a manifest would name by volume.
    pub mounts: Vec<Mount>,
    /// Wall-clock time for the whole run; none for as long as it takes.
    pub timeout: Option<Duration>,
}

/// How a program ended.
#[derive(Debug)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// Not by itself.
    Fault(Fault),
}

impl Host {
    /// Runs a program with the standard streams of this process.
    ///
    /// # Errors
    ///
    /// Where it can't be started. How it ended is an [`Exit`].
    pub async fn run(&self, command: &Command, progress: &dyn Progress) -> Result<Exit, ServiceError> {
        let Command {
            source,
            component,
            mounts,
            timeout,
        } = command;
        let ready = self
            .load_from(source, self.fetch_options(), progress)
            .await
            .map_err(|error| error.of(&component.name))?;
        let description = &ready.compiled.description;
        let Some(run) = description.export("wasi:cli/run") else {
            return Err(ServiceError::Exports {
                component: component.name.clone(),
                exports: exports(description),
                wanted:
                    "`shoal run` calls wasi:cli/run: a service is started from its manifest with `shoal up`"
                        .to_owned(),
            });
        };
        let concurrent = run.version().is_some_and(|version| version.starts_with("0.3"));
        admit(component, 0, description)?;
        let mut linker = Linker::new(ready.engine.wasmtime());
        let imports = description.imports.iter().map(|import| import.name.as_str());
        shoal_capability::link(&mut linker, imports).map_err(|source| ServiceError::Capability {
            component: component.name.clone(),
            source,
        })?;
        let misfit = |source| ServiceError::World {
            component: component.name.clone(),
            world: if concurrent {
                "wasi:cli/command@0.3"
            } else {
                "wasi:cli/command@0.2"
            },
            source,
        };
        let pre = linker.instantiate_pre(ready.loaded.component()).map_err(misfit)?;
        let grants = GrantsBuilder {
            env: variables(component)?,
            mounts: mounts.clone(),
            stdio: Stdio::Inherit,
            ..granted(&component.name, component)?
        };
        let grants = grants.build().map_err(|source| ServiceError::Capability {
            component: component.name.clone(),
            source,
        })?;
        let unit = Unit {
            service: component.name.clone(),
            component: component.name.clone(),
            engine: ready.engine.clone(),
            grants,
            limits: UnitLimits::from(&component.limits),
            admission: Admission::new(1, 0),
            requests: AtomicU64::new(0),
        };
        let (_permit, mut store) = unit.store(&ready.loaded, unit.next_request()).await;
        let called = async {
            if concurrent {
                use wasmtime_wasi::p3::bindings::CommandPre;
                let command = CommandPre::new(pre)?.instantiate_async(&mut store).await?;
                store
                    .run_concurrent(async |accessor| command.wasi_cli_run().call_run(accessor).await)
                    .await?
            } else {
                use wasmtime_wasi::p2::bindings::CommandPre;
                let command = CommandPre::new(pre)?.instantiate_async(&mut store).await?;
                command.wasi_cli_run().call_run(&mut store).await
            }
        };
        let called = metered(called);
        let ended = match timeout {
            Some(limit) => match by(after(Instant::now(), *limit), called).await {
                Ok(ended) => ended,
                Err(_) => return Ok(Exit::Fault(Fault::Deadline { limit: *limit })),
            },
            None => called.await,
        };
        Ok(match ended {
            Ok(Ok(())) => Exit::Code(0),
            Ok(Err(())) => Exit::Code(1),
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(exit) => Exit::Code(exit.0),
                None => Exit::Fault(unit.fault(&error, &store)),
            },
        })
    }
}

/// Variables of a program have values, for there is no object to read them from.
fn variables(component: &Component) -> Result<Vec<(String, String)>, ServiceError> {
    let mut problems = Vec::<Problem>::new();
    let objects = crate::Objects::default();
    let variables = crate::values::environment(component, "component", &objects, &mut problems);
    if problems.is_empty() {
        Ok(variables)
    } else {
        Err(ServiceError::Manifest(problems))
    }
}
