//! `wasi:cli` components that nobody calls: run once, to an exit code. How one is run is in `world`, for triggers too.

use crate::assembly::fields::Fields;
use crate::assembly::grants::{Described, Group};
use crate::call::deadline::{after, by};
use crate::call::unit::{Unit, Usage};
use crate::call::world;
use crate::code::instances::Template as _;
use crate::code::linked::Linked;
use crate::edges::local::failed;
use crate::id::DEFAULT_NAMESPACE;
use crate::{
    Admit, Host, Objects, Output, Outside, Owner, ServiceError, ServiceId, StoreFile, Supplied, Supply,
};
use async_trait::async_trait;
use shoal_api::{Component, Store};
use shoal_artifact::{Progress, Source};
use shoal_capability::{Dialer, Mount};
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
        let outside = Foreground {
            name: component.name.clone(),
            dialer: Arc::clone(&self.dialer),
            mounts: mounts.clone(),
        };
        // There are none to read values from.
        let objects = Objects::default();
        let group = Group {
            id: &ServiceId::new(DEFAULT_NAMESPACE, &component.name),
            label: &component.name,
            fields: Fields::Command,
            manifest: None,
            components: vec![Described {
                component,
                objects: &objects,
                stores: &[],
            }],
            triggers: &[],
            outside: &outside,
        };
        let supply = Fetched {
            host: self,
            source,
            progress,
        };
        let (granted, supplied) = self.assembler.prepare(&group, &[0], &supply, Vec::new()).await?;
        let compiled = supplied.roots.into_iter().next();
        let compiled = compiled.ok_or_else(|| ServiceError::Manifest(Vec::new()))?;
        let program = self.assembler.program(&group, &granted, compiled)?;
        Ok(program.run(*timeout).await)
    }
}

/// A program, from its source.
struct Fetched<'a> {
    host: &'a Host,
    source: &'a Source,
    progress: &'a dyn Progress,
}

#[async_trait]
impl Supply for Fetched<'_> {
    async fn supply(
        &self,
        components: &[&Component],
        _roots: &[usize],
        admit: &Admit<'_>,
    ) -> Result<Supplied, ServiceError> {
        let Some(component) = components.first() else {
            return Err(ServiceError::Manifest(Vec::new()));
        };
        let Host {
            cache,
            compiler,
            options,
            ..
        } = self.host;
        let artifact = cache.fetch(self.source, options, self.progress).await;
        let artifact = artifact.map_err(failed(component))?;
        let description = cache.described(&artifact, compiler).await;
        admit(&[0], &description.map_err(failed(component))?)?;
        let compiled = self.host.compile(&artifact, self.progress).await;
        let compiled = compiled.map_err(failed(component))?;
        Ok(Supplied {
            digests: vec![compiled.digest.clone()],
            roots: vec![compiled],
        })
    }
}

/// The outside of a program that runs in a terminal.
struct Foreground {
    name: String,
    dialer: Arc<dyn Dialer>,
    mounts: Vec<Mount>,
}

#[async_trait]
impl Outside for Foreground {
    fn owner(&self) -> Owner {
        Owner {
            name: self.name.clone(),
            lasting: false,
        }
    }

    fn dialer(&self, _place: usize) -> Arc<dyn Dialer> {
        Arc::clone(&self.dialer)
    }

    fn output(&self, _place: usize, _component: &Component) -> Output {
        Output::Inherited
    }

    async fn mounts(&self, _place: usize, _component: &Component) -> Result<Vec<Mount>, ServiceError> {
        Ok(self.mounts.clone())
    }

    async fn store_file(&self, _store: &Store) -> Result<Option<StoreFile>, ServiceError> {
        Ok(None)
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
