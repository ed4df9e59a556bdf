//! Code at rest: a component's native code, how it is mapped, linked and unmapped, and where its instances come from. What a call
//! may spend is in `call`.

pub(crate) mod instances;
pub(crate) mod linked;
pub(crate) mod resident;
pub(crate) mod sweeper;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks it, whether or not somebody panicked meanwhile: what these locks guard is never half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
