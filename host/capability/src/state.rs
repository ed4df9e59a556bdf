//! The data of a store: what one instance holds. It is made for every request, so what an instance may never touch is not made
//! before it does.

use crate::clocks::Clocks;
use crate::early::Opened;
use crate::network::{self, Hooks, Outbound};
use crate::random::Seed;
use crate::{CallContext, Grants, Hold, RequestId, preview1};
use shoal_engine::{Bounded, Limiter};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::component::{ResourceTable, ResourceTableError};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Handles to host resources (files, streams, headers, pollables and so on) that an instance may hold at once.
///
/// What is behind a handle is memory of the host, which `limits.memory` does not see: at most 64 KiB each, so that a guest that
/// leaks handles makes the host hold no more than the 64 MiB that a component has by default. Bodies that are written before anybody
/// reads them have a bound of their own (`early`).
pub const MAX_HANDLES: usize = 1024;

/// Bytes of one set of headers, as the host holds them.
const MAX_FIELDS: usize = 64 << 10;

/// The data of the store that one instance lives in.
pub struct State {
    pub(crate) table: ResourceTable,
    http: WasiHttpCtx,
    limiter: Limiter,
    /// Bodies of WASI 0.2 that the instance makes.
    pub(crate) opened: Opened,
    /// The part at place 0, whose exports are called. Most components have no other.
    root: Part,
    /// The parts that are linked into it, from place 1. Made when they first use something.
    linked: Vec<Option<Box<Part>>>,
    /// Of a core module, which has no parts and works on one request. Made when it first asks for something.
    preview1: Option<Box<WasiP1Ctx>>,
}

/// What one part of a component holds: nothing of it can be reached through the imports of another part.
pub(crate) struct Part {
    pub(crate) clocks: Clocks,
    pub(crate) seed: Seed,
    pub(crate) hooks: Hooks,
    pub(crate) hold: Hold,
    /// Made when the guest first uses standard streams, files or sockets, which many never do.
    wasi: Option<Box<Wasi>>,
}

struct Wasi {
    context: WasiCtx,
    /// The request whose lines the streams log.
    request: Arc<AtomicU64>,
}

impl Part {
    fn new(grants: Arc<Grants>, request: RequestId) -> Self {
        Self {
            clocks: Clocks::new(grants.clock_resolution),
            seed: Seed::default(),
            hooks: Hooks::new(grants, request),
            hold: Hold::default(),
            wasi: None,
        }
    }

    pub(crate) fn grants(&self) -> &Arc<Grants> {
        self.hooks.grants()
    }

    fn set_request(&mut self, request: RequestId) {
        self.hooks.request = request;
        if let Some(wasi) = &self.wasi {
            wasi.request.store(request.0, Ordering::Relaxed);
        }
    }

    pub(crate) fn wasi(&mut self) -> &mut WasiCtx {
        let wasi = match &mut self.wasi {
            Some(wasi) => wasi,
            none => none.insert(Box::new(Wasi::new(&mut self.hooks, self.hold))),
        };
        &mut wasi.context
    }
}

/// A part, and what it shares with the others: the table is one, since a handle means what the guest's own table says, which no other
/// part can write to.
pub(crate) struct Split<'a> {
    pub(crate) part: &'a mut Part,
    pub(crate) table: &'a mut ResourceTable,
    pub(crate) http: &'a mut WasiHttpCtx,
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
            http,
            limiter,
            opened: Opened::default(),
            root: Part::new(grants, request),
            linked: Vec::new(),
            preview1: None,
        }
    }

    /// What the instance was granted.
    pub fn grants(&self) -> &Arc<Grants> {
        self.root.grants()
    }

    /// The request that the instance works on.
    pub fn request(&self) -> RequestId {
        self.root.hooks.request
    }

    /// Tells an instance that is used again which request it works on now.
    pub fn set_request(&mut self, request: RequestId) {
        self.root.set_request(request);
        for part in self.linked.iter_mut().flatten() {
            part.set_request(request);
        }
    }

    /// What the call that the instance works on carries along.
    pub fn context(&self) -> &CallContext {
        &self.root.hooks.context
    }

    /// Tells an instance what the call carries along that it works on now.
    pub fn set_context(&mut self, context: CallContext) {
        for part in self.linked.iter_mut().flatten() {
            part.hooks.context = context.clone();
        }
        self.root.hooks.context = context;
    }

    /// Says what happens when the instance prints more than its log takes, before it prints for the first time.
    pub fn set_hold(&mut self, hold: Hold) {
        self.root.hold = hold;
    }

    /// Handles to host resources.
    pub fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// The part at a place, with what it shares with the others.
    pub(crate) fn split(&mut self, place: usize) -> Split<'_> {
        let Self {
            table,
            http,
            root,
            linked,
            ..
        } = self;
        let part = match place.checked_sub(1) {
            None => root,
            Some(at) => {
                if linked.len() <= at {
                    linked.resize_with(at + 1, || None);
                }
                linked[at].get_or_insert_with(|| {
                    // A part that nothing was said of has nothing, and in no case what another has.
                    let grants = root.grants().linked.get(at).cloned().unwrap_or_default();
                    let mut part = Part::new(grants, root.hooks.request);
                    part.hooks.context = root.hooks.context.clone();
                    part.hold = root.hold;
                    Box::new(part)
                })
            }
        };
        Split { part, table, http }
    }

    /// What a core module of preview 1 holds.
    pub(crate) fn preview1(&mut self) -> &mut WasiP1Ctx {
        let Self { root, preview1, .. } = self;
        preview1
            .get_or_insert_with(|| Box::new(preview1::context(root.grants(), root.hold, root.hooks.request)))
    }

    /// The network of a part; none where none was granted.
    pub(crate) fn outbound(&mut self, place: usize) -> Option<Arc<Outbound>> {
        self.split(place).part.hooks.outbound()
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
            .field("request", &self.request())
            .field("limiter", &self.limiter)
            .finish_non_exhaustive()
    }
}

impl Bounded for State {
    fn limiter(&mut self) -> &mut Limiter {
        &mut self.limiter
    }
}

impl Wasi {
    fn new(hooks: &mut Hooks, hold: Hold) -> Self {
        let request = Arc::new(AtomicU64::new(hooks.request.0));
        let mut builder = WasiCtx::builder();
        if let Some(outbound) = hooks.outbound() {
            network::connect(&mut builder, outbound);
        }
        let grants = hooks.grants();
        grants.streams.connect(&mut builder, hold, &request);
        let mut context = builder.build();
        *context.filesystem() = grants.filesystem.clone();
        Self { context, request }
    }
}

/// Of the part whose exports are called: a trigger puts requests into it.
impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.split(0).into_http()
    }
}

impl<'a> Split<'a> {
    pub(crate) fn into_http(self) -> WasiHttpCtxView<'a> {
        WasiHttpCtxView {
            hooks: &mut self.part.hooks,
            table: self.table,
            ctx: self.http,
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
        assert!(state.root.wasi.is_none() && state.outbound(0).is_none() && state.linked.is_empty());
        let _ = state.split(0).part.wasi();
        let _ = state.split(2).part.wasi();
        state.set_request(RequestId(2));
        let linked = state.linked[1].as_ref().expect("made");
        for part in [&state.root, linked] {
            let wasi = part.wasi.as_ref().expect("made");
            assert_eq!(wasi.request.load(Ordering::Relaxed), 2);
        }
        assert_eq!(state.request(), RequestId(2));
    }

    #[test]
    fn each_part_has_its_own_grants_and_one_without_has_nothing() {
        let with = |name: &str, linked| GrantsBuilder {
            env: vec![("NAME".to_owned(), name.to_owned())],
            linked,
            ..GrantsBuilder::default()
        };
        let auth = with("auth", Vec::new()).build().expect("grants");
        let web = with("web", vec![auth]).build().expect("grants");
        let limits = shoal_engine::Limits {
            memory: 1 << 20,
            cpu_time: Duration::from_secs(1),
        };
        let mut state = State::new(web, RequestId(1), Limiter::new(limits, Arc::default()));
        let mut env = |place| state.split(place).part.grants().env.clone();
        assert_eq!(env(0), [("NAME".to_owned(), "web".to_owned())]);
        assert_eq!(env(1), [("NAME".to_owned(), "auth".to_owned())]);
        assert_eq!(env(2), []);
        assert_eq!(env(63), []);
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
