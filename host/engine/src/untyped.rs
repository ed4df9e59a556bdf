//! Errors of wasmtime that have no public type. This is the one place that recognises them by their text; whatever has a type (`Trap`, our own
//! errors) is downcast where it is met. Tests of `e2e` provoke each, so that a version of wasmtime with other words is noticed.

use wasmtime::{Error, Trap};

/// Of `HostcallFuelExhausted` in `runtime/component/func/options.rs`.
const HOSTCALL_FUEL: &str = "fuel allocated for hostcalls has been exhausted";
/// Of all that `runtime/vm/instance/allocator/pooling` refuses for its size.
const POOL_LIMIT: &str = "exceeds the";

/// Whether values took more of the host's memory than `Store::set_hostcall_fuel` allows (wasmtime's default is 128 MiB).
pub fn is_hostcall_fuel(error: &Error) -> bool {
    has(error, HOSTCALL_FUEL)
}

/// Whether a component consists of more than the pool has for an instance.
pub(crate) fn is_pool_limit(error: &Error) -> bool {
    has(error, POOL_LIMIT)
}

/// Looks at the innermost cause alone: what stands around it, such as a backtrace, has names from the guest in it.
fn has(error: &Error, text: &str) -> bool {
    error.downcast_ref::<Trap>().is_none() && error.root_cause().to_string().contains(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_names_are_not_looked_at() {
        let own = Error::msg(format!("too much data is being copied: {HOSTCALL_FUEL}"));
        assert!(is_hostcall_fuel(&own) && !is_pool_limit(&own));
        let named = format!("wasm backtrace:\n 0: {HOSTCALL_FUEL} {POOL_LIMIT}");
        for error in [
            Error::new(Trap::UnreachableCodeReached).context(named.clone()),
            Error::msg("a host function refused").context(named),
        ] {
            assert!(!is_hostcall_fuel(&error) && !is_pool_limit(&error), "{error:?}");
        }
    }
}
