//! How components are executed: the only `wasmtime::Config`, pools, limits, CPU time, and the one door through which compiled
//! code is loaded. What an instance may reach is not decided here (see `capability`), nor what it is called for (`service`).

mod cpu;
mod error;
mod fault;
mod lane;
mod limiter;
mod load;
mod meter;
mod pool;
mod profile;
mod share;
mod swap;
mod ticker;
mod untyped;

pub use cpu::{Metered, TICK, metered};
pub use error::EngineError;
pub use fault::Fault;
pub use lane::{Fair, fair, start as start_lane};
pub use limiter::{Bounded, Exceeded, Limiter, Limits};
pub use load::{Loaded, Native};
pub use meter::Meter;
pub use pool::{Permit, PoolOptions, PoolStats};
pub use profile::{Variant, config};
pub use share::Share;
pub use untyped::is_hostcall_fuel;

use pool::Slots;
use share::Shares;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use wasmtime::Store;

/// The engines of a process: one for each [`Variant`], made when a component first needs it.
///
/// Cheap to clone; all clones share the engines and their pools.
#[derive(Clone)]
pub struct Engines {
    shared: Arc<Shared>,
}

struct Shared {
    options: PoolOptions,
    plain: OnceLock<Engine>,
    concurrent: OnceLock<Engine>,
    shares: Shares,
}

impl Engines {
    /// Engines whose pools have the given size. Nothing is reserved before the first component is loaded.
    pub fn new(options: PoolOptions) -> Self {
        let (plain, concurrent) = (OnceLock::new(), OnceLock::new());
        Self {
            shared: Arc::new(Shared {
                options,
                plain,
                concurrent,
                shares: Shares::default(),
            }),
        }
    }

    /// What `service` may use of the pools and of the lane beside others. Whoever asks again while it is held has the same.
    pub fn share(&self, service: &str) -> Arc<Share> {
        self.shared.shares.get(service)
    }

    /// The engine that runs components of this variant.
    ///
    /// # Errors
    ///
    /// [`EngineError::Start`] where the pool's address space cannot be reserved.
    pub fn get(&self, variant: Variant) -> Result<&Engine, EngineError> {
        let cell = match variant {
            Variant::Plain => &self.shared.plain,
            Variant::Concurrent => &self.shared.concurrent,
        };
        if let Some(engine) = cell.get() {
            return Ok(engine);
        }
        let engine = Engine::start(variant, &self.shared.options)?;
        Ok(cell.get_or_init(|| engine))
    }
}

/// A wasmtime engine with its pool of instance slots and its ticking epoch.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    slots: Arc<Slots>,
}

impl Engine {
    fn start(variant: Variant, options: &PoolOptions) -> Result<Self, EngineError> {
        let mut config = profile::config(variant);
        config.allocation_strategy(pool::strategy(options));
        let inner = wasmtime::Engine::new(&config).map_err(|source| EngineError::Start {
            slots: options.slots,
            source,
        })?;
        let pool = match variant {
            Variant::Plain => 0,
            Variant::Concurrent => 1,
        };
        let slots = Slots::new(options.slots, pool);
        ticker::watch(inner.weak(), Arc::downgrade(&slots));
        Ok(Self { inner, slots })
    }

    /// The wasmtime engine, to make linkers with.
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner
    }

    /// Maps a file that `shoal-compile` made for this engine.
    ///
    /// # Errors
    ///
    /// Where the file is missing, can be written by others, was made for another engine, or needs more than the whole pool.
    pub fn load(&self, compiled: &Path) -> Result<Loaded, EngineError> {
        load::load(self, compiled)
    }

    /// Guarantees some of the pool to a service, as long as its share exists.
    pub fn join(&self, share: &Share) {
        share.seat(&self.slots);
    }

    /// Waits for room in the pool for one instance of `component`, of the service that has `share`.
    pub async fn acquire(&self, share: &Arc<Share>, component: &Loaded) -> Permit {
        self.slots.acquire(share, component.weight()).await
    }

    /// A store whose memory, CPU time and tables are bounded by the [`Limiter`] in its data.
    ///
    /// Run what is called in it under [`metered`], or CPU time is not counted.
    pub fn store<T: Bounded + 'static>(&self, data: T) -> Store<T> {
        let mut store = Store::new(&self.inner, data);
        store.limiter(|data| data.limiter());
        // A deadline of 0 would interrupt the first instruction.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| store.data_mut().limiter().on_tick());
        store
    }

    /// How much of the pool is in use.
    pub fn stats(&self) -> PoolStats {
        self.slots.stats()
    }
}
