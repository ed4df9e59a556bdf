//! Where instances come from: a fresh one for every request, or, for those who opted in, one that was used before.

use crate::call::limits::ReuseLimits;
use crate::call::unit::{Cause, Unit};
use crate::code::linked::Linked;
use shoal_capability::State;
use shoal_engine::{Fault, Permit};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;
use wasmtime::Store;

/// A component that is linked and typed for its world.
pub(crate) trait Template: Send + Sync + 'static {
    /// Its exports in one store.
    type Instance: Send + Sync + 'static;

    /// Makes an instance in `store`.
    fn instantiate(
        &self,
        store: &mut Store<State>,
    ) -> impl Future<Output = wasmtime::Result<Self::Instance>> + Send;
}

/// An instance that can be called.
pub(crate) struct Live<I> {
    pub(crate) store: Store<State>,
    pub(crate) instance: I,
    uses: u32,
    since: Instant,
    // After the store: its slot is free only then.
    permit: Permit,
}

/// The instances of one component.
pub(crate) struct Instances<T: Template> {
    template: T,
    linked: Arc<Linked>,
    reuse: Option<ReuseLimits>,
    idle: Mutex<Vec<Live<T::Instance>>>,
}

impl<T: Template> Instances<T> {
    pub(crate) fn new(template: T, linked: &Arc<Linked>, reuse: Option<ReuseLimits>) -> Arc<Self> {
        let instances = Arc::new(Self {
            template,
            linked: Arc::clone(linked),
            reuse,
            idle: Mutex::default(),
        });
        if let Some(reuse) = reuse {
            tokio::spawn(retire(Arc::downgrade(&instances), reuse));
        }
        instances
    }

    /// An instance for one request.
    pub(crate) async fn take(&self, unit: &Unit, cause: Cause) -> Result<Live<T::Instance>, Fault> {
        if self.reuse.is_some()
            && let Some(mut live) = self.idle().pop()
        {
            live.store.data_mut().set_request(cause.id);
            live.store.data_mut().set_context(cause.context);
            return Ok(live);
        }
        let (permit, mut store) = unit.store(&self.linked.loaded, cause).await;
        match self.template.instantiate(&mut store).await {
            Ok(instance) => Ok(Live {
                store,
                instance,
                uses: 0,
                since: Instant::now(),
                permit,
            }),
            Err(error) => Err(unit.fault(&error, &store)),
        }
    }

    /// Gives back an instance that ended its request well. It is not kept where others wait for its slots.
    pub(crate) fn give_back(&self, mut live: Live<T::Instance>) {
        let Some(reuse) = self.reuse else { return };
        live.uses += 1;
        if live.uses < reuse.max_requests && !live.permit.is_wanted() {
            live.since = Instant::now();
            self.idle().push(live);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Live<T::Instance>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends instances that nobody used for a while. The last one to be given back is the first to be taken, so those at the front wait
/// the longest.
async fn retire<T: Template>(instances: Weak<Instances<T>>, reuse: ReuseLimits) {
    loop {
        tokio::time::sleep(reuse.idle_timeout / 2).await;
        let Some(instances) = instances.upgrade() else {
            return;
        };
        let mut idle = instances.idle();
        let old = idle.partition_point(|live| live.since.elapsed() >= reuse.idle_timeout);
        let retired: Vec<_> = idle.drain(..old).collect();
        drop(idle);
        drop(retired);
    }
}
