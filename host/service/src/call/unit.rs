//! One component of a service as its calls see it: grants, limits, admission. Its code is in `resident`.

use crate::call::admission::Admission;
use crate::call::limits::UnitLimits;
use shoal_api::Component;
use shoal_capability::{CallContext, Grants, RequestId, State};
use shoal_engine::{Engine, Fault, Limiter, Loaded, Meter, Permit, Share};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use wasmtime::Store;

/// What every world of a component needs.
pub(crate) struct Unit {
    pub(crate) service: String,
    pub(crate) component: String,
    pub(crate) engine: Engine,
    pub(crate) grants: Arc<Grants>,
    pub(crate) limits: UnitLimits,
    pub(crate) admission: Admission,
    meter: Arc<Meter>,
    /// Where the numbers of its requests begin: anywhere, so that two components, or two runs, share none in a log.
    first_request: u64,
    next_request: AtomicU64,
}

/// What an instance works for.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    /// The request, as the logs of its component have it.
    pub(crate) id: RequestId,
    /// What it carries along.
    pub(crate) context: CallContext,
}

impl From<RequestId> for Cause {
    /// A request that nothing is known of.
    fn from(id: RequestId) -> Self {
        Self {
            id,
            context: CallContext::default(),
        }
    }
}

/// What a component has used since it was started, and uses now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time, guests and host calls together.
    pub cpu: Duration,
    /// Bytes in memories and tables of the instances that exist now.
    pub memory: u64,
    /// Requests that were begun.
    pub requests: u64,
}

impl Unit {
    /// `share` is what all components of the service have together.
    pub(crate) fn new(
        service: &str,
        component: &Component,
        engine: Engine,
        grants: Arc<Grants>,
        share: Arc<Share>,
    ) -> Self {
        let first_request = std::hash::RandomState::new().build_hasher().finish();
        engine.join(&share);
        Self {
            service: service.to_owned(),
            component: component.name.clone(),
            engine,
            grants,
            limits: UnitLimits::from(&component.limits),
            admission: Admission::new(component.limits.concurrency, component.limits.queue_length),
            meter: Arc::new(Meter::new(share)),
            first_request,
            next_request: AtomicU64::new(first_request),
        }
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(crate) fn usage(&self) -> Usage {
        let next = self.next_request.load(Ordering::Relaxed);
        Usage {
            cpu: self.meter.cpu(),
            memory: self.meter.memory(),
            requests: next.wrapping_sub(self.first_request),
        }
    }

    /// What a log calls an instance that nobody asked for: no request, and not counted as one.
    pub(crate) fn no_request(&self) -> RequestId {
        RequestId(self.first_request.wrapping_sub(1))
    }

    pub(crate) fn next_request(&self) -> RequestId {
        RequestId(self.next_request.fetch_add(1, Ordering::Relaxed))
    }

    /// Room in the pool, and a store for a new instance.
    pub(crate) async fn store(&self, loaded: &Loaded, cause: Cause) -> (Permit, Store<State>) {
        let permit = self.engine.acquire(self.meter.share(), loaded).await;
        let limiter = Limiter::new(self.limits.instance, Arc::clone(&self.meter));
        let mut state = State::new(Arc::clone(&self.grants), cause.id, limiter);
        state.set_context(cause.context);
        (permit, self.engine.store(state))
    }

    /// Tells why a call into `store` failed.
    pub(crate) fn fault(&self, error: &wasmtime::Error, store: &Store<State>) -> Fault {
        if shoal_capability::handles_exhausted(error) {
            let most = shoal_capability::MAX_HANDLES;
            return Fault::Host {
                text: format!("the instance holds more than {most} handles to host resources"),
            };
        }
        if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            return Fault::Host {
                text: format!("the component called exit({}) and gave no answer", exit.0),
            };
        }
        Fault::of(error, store.data().limiter())
    }
}
