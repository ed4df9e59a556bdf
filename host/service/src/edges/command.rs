//! `wasi:cli` components that nobody calls: run once, to an exit code. How one is run is in `world`, for triggers too.

use crate::assembly::admissible::admit_program;
use crate::call::deadline::{after, by};
use crate::call::unit::{Unit, Usage};
use crate::call::world;
use crate::code::instances::Template as _;
use crate::code::linked::Linked;
use crate::edges::prepare::granted;
use crate::{Host, ServiceError};
use shoal_api::{Component, Problem};
use shoal_artifact::{Progress, Source};
use shoal_capability::{GrantsBuilder, Mount, Stdio};
use shoal_engine::{Fault, fair, metered};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

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

/// A program that is ready to run.
pub struct Program {
    unit: Arc<Unit>,
    linked: Arc<Linked>,
    /// `wasi:cli/run` of 0.3.
    concurrent: bool,
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
        let failed = |source| ServiceError::Artifact {
            component: component.name.clone(),
            source,
        };
        let fetched = self.cache.fetch(source, self.fetch_options(), progress).await;
        let artifact = fetched.map_err(failed)?;
        let description = self.described(&artifact).await.map_err(failed)?;
        admit_program(component, &description)?;
        let ready = self.compile(&artifact, progress).await.map_err(failed)?;
        let grants = GrantsBuilder {
            env: variables(component)?,
            mounts: mounts.clone(),
            stdio: Stdio::Inherit,
            ..granted(&component.name, component)?
        };
        let program = self.machine.program(&component.name, component, &ready, grants)?;
        Ok(program.run(*timeout).await)
    }
}

impl Program {
    pub(crate) fn new(unit: Unit, linked: Arc<Linked>, concurrent: bool) -> Self {
        Self {
            unit: Arc::new(unit),
            linked,
            concurrent,
        }
    }

    /// Runs it to its end, or for as long as `timeout` allows.
    pub async fn run(&self, timeout: Option<Duration>) -> Exit {
        let (unit, linked, concurrent) = (Arc::clone(&self.unit), Arc::clone(&self.linked), self.concurrent);
        fair(
            self.unit.meter(),
            Box::pin(run(unit, linked, concurrent, timeout)),
        )
        .await
    }

    /// What it has used, and uses now.
    pub fn usage(&self) -> Usage {
        self.unit.usage()
    }
}

async fn run(unit: Arc<Unit>, linked: Arc<Linked>, concurrent: bool, timeout: Option<Duration>) -> Exit {
    let (_permit, mut store) = unit.store(&linked.loaded, unit.next_request().into()).await;
    let called = async {
        let world = world::Program::new(&linked, concurrent)?;
        world.instantiate(&mut store).await?.call(&mut store).await
    };
    let called = metered(unit.meter(), called);
    let ended = match timeout {
        Some(limit) => match by(after(Instant::now(), limit), called).await {
            Ok(ended) => ended,
            Err(_) => return Exit::Fault(Fault::Deadline { limit }),
        },
        None => called.await,
    };
    match ended {
        Ok(code) => Exit::Code(code),
        Err(error) => Exit::Fault(unit.fault(&error, &store)),
    }
}

/// Variables of a program have values, for there is no object to read them from.
fn variables(component: &Component) -> Result<Vec<(String, String)>, ServiceError> {
    let mut problems = Vec::<Problem>::new();
    let objects = crate::Objects::default();
    let variables = crate::assembly::values::environment(component, "component", &objects, &mut problems);
    if problems.is_empty() {
        Ok(variables)
    } else {
        Err(ServiceError::Manifest(problems))
    }
}
