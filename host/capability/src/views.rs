//! How a host function finds what the one who calls it may use: for each part of a composed component a set of functions of its own.
//! Wasmtime takes plain function pointers, which can hold no place; so the place is a constant of each.

use crate::clocks;
use crate::config::Config;
use crate::environment::Environment;
use crate::keyvalue::{Buckets, Strings};
use crate::messaging::Messaging;
use crate::network::{self, Maker, Names};
use crate::random::Seed;
use crate::report::Ambient;
use crate::secrets::Secrets;
use crate::state::{Split, State};
use wasmtime_wasi::cli::WasiCliCtxView;
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::sockets::WasiSocketsCtxView;
use wasmtime_wasi_http::WasiHttpCtxView;

/// How functions of `wasi:http` find what they work on.
pub(crate) type Http = fn(&mut State) -> WasiHttpCtxView<'_>;

/// What one part may use, by kind.
pub(crate) struct Views {
    pub(crate) place: usize,
    pub(crate) environment: fn(&mut State) -> Environment<'_>,
    pub(crate) cli: fn(&mut State) -> WasiCliCtxView<'_>,
    pub(crate) clocks: fn(&mut State) -> clocks::View<'_>,
    pub(crate) seed: fn(&mut State) -> &mut Seed,
    pub(crate) filesystem: fn(&mut State) -> WasiFilesystemCtxView<'_>,
    pub(crate) preopens: fn(&mut State) -> WasiFilesystemCtxView<'_>,
    pub(crate) http: Http,
    pub(crate) sockets: fn(&mut State) -> WasiSocketsCtxView<'_>,
    pub(crate) socket_maker: fn(&mut State) -> Maker<'_>,
    pub(crate) names: fn(&mut State) -> Names<'_>,
    pub(crate) buckets: fn(&mut State) -> Buckets<'_>,
    pub(crate) strings: fn(&mut State) -> Strings<'_>,
    pub(crate) messaging: fn(&mut State) -> Messaging<'_>,
    pub(crate) secrets: fn(&mut State) -> Secrets<'_>,
    pub(crate) config: fn(&mut State) -> Config<'_>,
}

/// The part at place `N`.
struct At<const N: usize>;

impl<const N: usize> At<N> {
    const VIEWS: Views = Views {
        place: N,
        environment: |state| {
            let part = state.split(N).part;
            Environment {
                request: part.hooks.request,
                grants: part.grants(),
                linked: N > 0,
            }
        },
        cli: |state| {
            let Split { part, table, .. } = state.split(N);
            let ctx = part.wasi().cli();
            WasiCliCtxView { ctx, table }
        },
        clocks: |state| {
            let Split { part, table, .. } = state.split(N);
            let clocks = &mut part.clocks;
            clocks::View { clocks, table }
        },
        seed: |state| &mut state.split(N).part.seed,
        filesystem: |state| {
            let Split { part, table, .. } = state.split(N);
            let ctx = part.wasi().filesystem();
            WasiFilesystemCtxView { ctx, table }
        },
        preopens: |state| {
            let Split { part, table, .. } = state.split(N);
            if N > 0 && !part.grants().mounted {
                part.grants()
                    .report
                    .asked(part.hooks.request, Ambient::Directories);
            }
            let ctx = part.wasi().filesystem();
            WasiFilesystemCtxView { ctx, table }
        },
        http: |state| state.split(N).into_http(),
        sockets: |state| network::sockets(state, N),
        socket_maker: |state| Maker(state, N),
        names: |state| Names(state, N),
        buckets: |state| {
            let Split { part, table, .. } = state.split(N);
            Buckets {
                request: part.hooks.request,
                grants: part.grants(),
                table,
            }
        },
        strings: |state| Strings(state.split(N).part.grants()),
        messaging: |state| {
            let part = state.split(N).part;
            Messaging {
                request: part.hooks.request,
                trace: part.hooks.context.trace.as_ref(),
                grants: part.grants(),
            }
        },
        secrets: |state| Secrets(state.split(N).part.grants()),
        config: |state| Config(state.split(N).part.grants()),
    };
}

macro_rules! all {
    ($($place:literal)*) => { [$(At::<$place>::VIEWS),*] };
}

/// One for each part that a composed component can have.
static ALL: [Views; 64] = all!(
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
);

/// What the part at a place may use; none where no component has so many.
pub(crate) fn views(place: usize) -> Option<&'static Views> {
    ALL.get(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_its_own() {
        for place in 0..ALL.len() {
            assert_eq!(views(place).map(|it| it.place), Some(place));
        }
        assert!(views(ALL.len()).is_none());
    }
}
