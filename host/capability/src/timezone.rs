//! `wasi:clocks/timezone`: UTC, wherever the host is. A component learns nothing of where it runs by it.

use crate::State;
use wasmtime::component::{ComponentType, LinkerInstance, Lower};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p3::bindings::clocks::system_clock::Instant;

/// `timezone-display` of 0.2.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Display {
    #[component(name = "utc-offset")]
    utc_offset: i32,
    #[component(name = "name")]
    name: String,
    #[component(name = "in-daylight-saving-time")]
    in_daylight_saving_time: bool,
}

/// The interface of 0.2.
pub(crate) fn two(l: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    l.func_wrap("display", |_, (_,): (Datetime,)| {
        Ok((Display {
            utc_offset: 0,
            name: "UTC".to_owned(),
            in_daylight_saving_time: false,
        },))
    })?;
    l.func_wrap("utc-offset", |_, (_,): (Datetime,)| Ok((0_i32,)))
}

/// The interface of 0.3.
pub(crate) fn three(l: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    l.func_wrap("iana-id", |_, ()| Ok((Some("UTC".to_owned()),)))?;
    l.func_wrap("utc-offset", |_, (_,): (Instant,)| Ok((Some(0_i64),)))?;
    l.func_wrap("to-debug-string", |_, ()| Ok(("UTC".to_owned(),)))
}
