//! A component's native code: mapped when it is called, unmapped when nobody has called it for a while. At rest it is a file on
//! disk and a row in a table.

use crate::code::linked::{Code, LinkError, Linked};
use crate::code::sweeper::Sweep;
use crate::links::bindings::Wiring;
use arc_swap::ArcSwapOption;
use shoal_artifact::Pin;
use shoal_description::Description;
use shoal_engine::Engine;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What callers make of a component that is linked.
pub(crate) type Take<W> = Box<dyn Fn(&Description, &Arc<Linked>) -> wasmtime::Result<W> + Send + Sync>;

/// All that is needed to map a component. Whether it may run has been decided.
pub(crate) struct Recipe<W> {
    pub(crate) code: Arc<Code>,
    pub(crate) engine: Engine,
    pub(crate) compiled: PathBuf,
    /// Keeps the file where it is: a component at rest is mapped from it again.
    pub(crate) _pin: Pin,
    pub(crate) description: Description,
    /// How many components it is in one.
    pub(crate) parts: usize,
    /// What its manifest says of its imports.
    pub(crate) wiring: Arc<Wiring>,
    pub(crate) take: Take<W>,
}

impl<W> Recipe<W> {
    /// Maps the component, and links it.
    pub(crate) fn linked(&self) -> Result<Arc<Linked>, LinkError> {
        let Self {
            code,
            engine,
            compiled,
            description,
            ..
        } = self;
        code.linked(engine, compiled, description, (self.parts, &self.wiring))
    }

    /// What callers make of it.
    pub(crate) fn take(&self, linked: &Arc<Linked>) -> Result<W, LinkError> {
        (self.take)(&self.description, linked).map_err(LinkError::misfit("the world of its exports"))
    }
}

/// A component that somebody can call, as all who call it see it.
pub(crate) struct Resident<W> {
    recipe: Recipe<W>,
    world: ArcSwapOption<W>,
    loading: Mutex<()>,
    /// Since the last sweep.
    used: AtomicBool,
}

impl<W> Resident<W> {
    /// A component that is mapped already.
    pub(crate) fn new(recipe: Recipe<W>, world: W) -> Self {
        Self {
            recipe,
            world: ArcSwapOption::from_pointee(world),
            loading: Mutex::default(),
            used: AtomicBool::new(true),
        }
    }

    /// The component, mapped for this call where it is not. That takes a fraction of a millisecond and no compilation, so it is
    /// done here and now.
    pub(crate) fn world(&self) -> Result<Arc<W>, LinkError> {
        // Written only where it changes, so that cores don't take the line from each other for every request.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        if let Some(world) = self.world.load_full() {
            return Ok(world);
        }
        let _one_at_a_time = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(world) = self.world.load_full() {
            return Ok(world);
        }
        let world = Arc::new(self.recipe.take(&self.recipe.linked()?)?);
        self.world.store(Some(Arc::clone(&world)));
        Ok(world)
    }

    /// Whether it is mapped now.
    pub(crate) fn is_mapped(&self) -> bool {
        self.world.load().is_some()
    }
}

impl<W: Send + Sync + 'static> Sweep for Resident<W> {
    /// Unmaps the component if it was not used since the last sweep. Calls that are under way keep it until they end.
    fn sweep(&self) {
        if !self.used.swap(false, Ordering::Relaxed) {
            self.world.store(None);
        }
    }
}
