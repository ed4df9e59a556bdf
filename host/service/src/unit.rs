//! One component of a service as its calls see it: grants, limits, admission. Its code is in `resident`.

use crate::admission::Admission;
use crate::limits::UnitLimits;
use shoal_capability::{Grants, RequestId, State};
use shoal_engine::{Engine, Fault, Limiter, Loaded, Permit};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::Store;

/// What every world of a component needs.
pub(crate) struct Unit {
    pub(crate) service: String,
    pub(crate) component: String,
    pub(crate) engine: Engine,
    pub(crate) grants: Arc<Grants>,
    pub(crate) limits: UnitLimits,
    pub(crate) admission: Admission,
    /// Counts requests, from anywhere.
    pub(crate) requests: AtomicU64,
}

impl Unit {
    pub(crate) fn next_request(&self) -> RequestId {
        RequestId(self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// Room in the pool, and a store for a new instance.
    pub(crate) async fn store(&self, loaded: &Loaded, request: RequestId) -> (Permit, Store<State>) {
        let permit = self.engine.acquire(loaded).await;
        let limiter = Limiter::new(self.limits.instance);
        let state = State::new(Arc::clone(&self.grants), request, limiter);
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
