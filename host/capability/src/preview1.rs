//! WASI preview 1, for core modules. The functions are wasmtime's; what a program finds behind them is what the same grants give a component.

use crate::clocks::Started;
use crate::state::MAX_HANDLES;
use crate::{CapabilityError, Grants, Hold, RequestId, State, random};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use wasmtime::Linker;
use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_async};
use wasmtime_wasi::{I32Exit, WasiCtx, WasiView as _};

/// The module that its functions are imported from.
const MODULE: &str = "wasi_snapshot_preview1";

/// Adds all of preview 1. None of it needs a grant, and nothing is in it that was not granted: there are no sockets.
///
/// # Errors
///
/// [`CapabilityError::Link`] where the linker holds one of the functions already.
pub fn link_module(linker: &mut Linker<State>) -> Result<(), CapabilityError> {
    let added = add_to_linker_async(linker, State::preview1).and_then(|()| {
        linker.allow_shadowing(true);
        linker.func_wrap(MODULE, "proc_exit", |code: u32| -> wasmtime::Result<()> {
            Err(I32Exit(exit_code(code)).into())
        })?;
        linker.allow_shadowing(false);
        Ok(())
    });
    added.map_err(|source| CapabilityError::Link {
        import: MODULE.to_owned(),
        source,
    })
}

/// The exit code that others see. Wasmtime allows up to 125, and a process has eight bits: the lower ones count, as of any process, but
/// what is not 0 is never told as success.
fn exit_code(code: u32) -> i32 {
    match i32::from(code.to_le_bytes()[0]) {
        0 if code != 0 => 255,
        low => low,
    }
}

/// What one instance holds.
pub(crate) fn context(grants: &Grants, hold: Hold, request: RequestId) -> WasiP1Ctx {
    let mut builder = WasiCtx::builder();
    let clocks = Started::new(grants.clock_resolution);
    builder
        .args(&grants.args)
        .envs(&grants.env)
        .wall_clock(clocks)
        .monotonic_clock(clocks)
        .max_random_size(random::MAX_BYTES);
    grants
        .streams
        .connect(&mut builder, hold, &Arc::new(AtomicU64::new(request.0)));
    let mut context = builder.build_p1();
    let view = context.ctx();
    *view.ctx.filesystem() = grants.filesystem.clone();
    view.table.set_max_capacity(MAX_HANDLES);
    context
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_have_eight_bits_and_no_failure_becomes_success() {
        for code in 0..=255 {
            assert_eq!(exit_code(code), i32::try_from(code).expect("small"));
        }
        let table = [(256, 255), (257, 1), (u32::MAX, 255), (0x100_0000, 255)];
        for (code, seen) in table {
            assert_eq!(exit_code(code), seen, "{code}");
        }
    }
}
