//! The data of a store: what one instance holds. It is made for every request, so what an instance may never touch is not made
//! before it does.

use crate::clocks::Clocks;
use crate::network::{self, Hooks, Outbound};
use crate::{Grants, RequestId};
use shoal_engine::{Bounded, Limiter};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::component::{ResourceTable, ResourceTableError};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Handles to host resources (files, streams, headers, pollables and so on) that an instance may hold at once.
///
/// What is behind a handle is memory of the host, which `limits.memory` does not see: at most 64 KiB each, so that a guest that
/// leaks handles makes the host hold no more than the 64 MiB that a component has by default.
pub const MAX_HANDLES: usize = 1024;

/// Bytes of one set of headers, as the host holds them.
const MAX_FIELDS: usize = 64 << 10;

/// The data of the store that one instance lives in.
pub struct State {
    pub(crate) table: ResourceTable,
    pub(crate) clocks: Clocks,
    pub(crate) hooks: Hooks,
    http: WasiHttpCtx,
    limiter: Limiter,
    /// Made when the guest first uses standard streams, files or sockets, which many never do.
    wasi: Option<Box<Wasi>>,
}

struct Wasi {
    context: WasiCtx,
    /// The request whose lines the streams log.
    request: Arc<AtomicU64>,
}

impl State {
    /// The state of a new instance.
    pub fn new(grants: Arc<Grants>, request: RequestId, limiter: Limiter) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(MAX_FIELDS);
        Self {
            table,
            clocks: Clocks::new(grants.clock_resolution),
            hooks: Hooks::new(grants, request),
            http,
            limiter,
            wasi: None,
        }
    }

    /// What the instance was granted.
    pub fn grants(&self) -> &Arc<Grants> {
        self.hooks.grants()
    }

    /// The request that the instance works on.
    pub fn request(&self) -> RequestId {
        self.hooks.request
    }

    /// Tells an instance that is used again which request it works on now.
    pub fn set_request(&mut self, request: RequestId) {
        self.hooks.request = request;
        if let Some(wasi) = &self.wasi {
            wasi.request.store(request.0, Ordering::Relaxed);
        }
    }

    /// Handles to host resources.
    pub fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// The network of this instance; none where none was granted.
    pub(crate) fn outbound(&mut self) -> Option<Arc<Outbound>> {
        self.hooks.outbound()
    }

    /// The limits of memory and CPU time.
    pub fn limiter(&self) -> &Limiter {
        &self.limiter
    }
}

/// Whether an instance ended because it held more than [`MAX_HANDLES`].
pub fn handles_exhausted(error: &wasmtime::Error) -> bool {
    error
        .chain()
        .any(|cause| matches!(cause.downcast_ref(), Some(ResourceTableError::Full)))
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("request", &self.hooks.request)
            .field("limiter", &self.limiter)
            .finish_non_exhaustive()
    }
}

impl Bounded for State {
    fn limiter(&mut self) -> &mut Limiter {
        &mut self.limiter
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = match &mut self.wasi {
            Some(wasi) => wasi,
            none => none.insert(Box::new(Wasi::new(&mut self.hooks))),
        };
        WasiCtxView {
            ctx: &mut wasi.context,
            table: &mut self.table,
        }
    }
}

impl Wasi {
    fn new(hooks: &mut Hooks) -> Self {
        let request = Arc::new(AtomicU64::new(hooks.request.0));
        let mut builder = WasiCtx::builder();
        if let Some(outbound) = hooks.outbound() {
            network::connect(&mut builder, outbound);
        }
        let grants = hooks.grants();
        grants.streams.connect(&mut builder, &request);
        let mut context = builder.build();
        *context.filesystem() = grants.filesystem.clone();
        Self { context, request }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.hooks,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GrantsBuilder;
    use std::time::Duration;

    fn state() -> State {
        let grants = GrantsBuilder::default().build().expect("grants");
        let limits = shoal_engine::Limits {
            memory: 1 << 20,
            cpu_time: Duration::from_secs(1),
        };
        State::new(grants, RequestId(1), Limiter::new(limits, Arc::default()))
    }

    #[test]
    fn a_new_state_holds_nothing_that_was_not_used() {
        let mut state = state();
        assert!(state.wasi.is_none() && state.outbound().is_none());
        let _ = state.ctx();
        state.set_request(RequestId(2));
        let wasi = state.wasi.as_ref().expect("made");
        assert_eq!(
            (wasi.request.load(Ordering::Relaxed), state.request()),
            (2, RequestId(2))
        );
    }

    #[test]
    fn leaked_handles_come_to_an_end_that_is_told_apart() {
        let mut state = state();
        let full = (0..).find_map(|_| state.table().push(()).err()).expect("an end");
        assert_eq!(state.table().iter_mut().count(), MAX_HANDLES);
        let error = wasmtime::Error::new(full).context("in a call");
        assert!(handles_exhausted(&error));
        assert!(!handles_exhausted(&wasmtime::Error::msg("something else")));
    }
}
