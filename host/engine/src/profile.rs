//! The one wasmtime configuration, for compiling and running alike. How instances are allocated is in `pool`.

use serde::{Deserialize, Serialize};
use wasmtime::Config;

/// Which of the two engines a component runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// Components without `async`, `stream` or `future` in their types: all of WASI 0.2. Nothing is set up per store for
    /// concurrent calls, which saves a fifth of the cost of a small request.
    Plain,
    /// Components that use the component model's concurrency: WASI 0.3.
    Concurrent,
}

/// The configuration for compiling and for running, but for the allocation strategy (which compiled code does not depend on).
///
/// Wasmtime is built without threads (shared memories escape its resource limiter, and they get no security fixes: its tier 2)
/// and without the garbage collector.
pub fn config(variant: Variant) -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    // CPU time is counted, and a guest that never returns is stopped, at the loop heads and function entries that check the epoch.
    config.epoch_interruption(true);
    // No part of a guest's stack is readable by it: a slot's stack can go on to the next guest as it is.
    config.async_stack_zeroing(false);
    match variant {
        Variant::Plain => {
            config.concurrency_support(false);
        }
        Variant::Concurrent => {
            config.concurrency_support(true);
            config.wasm_component_model_async(true);
        }
    }
    config
}
