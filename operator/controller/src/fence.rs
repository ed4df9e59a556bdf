//! Whether we may still write. A process can be stopped at any point and go on much later, believing that it leads; so every write
//! asks here first, and each names the version of the object that it was decided from: what a new leader has changed since is a
//! conflict. The clock is the monotonic one, which goes on while a process is stopped.

use crate::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Held open by renewing the lease.
#[derive(Debug, Default)]
pub(crate) struct Fence(Mutex<Option<Instant>>);

impl Fence {
    /// The lease was renewed by a request that was sent at `sent`: writes are allowed for `deadline` from then on, which has to be
    /// less than the others wait.
    pub(crate) fn renewed(&self, sent: Instant, deadline: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sent.checked_add(deadline);
    }

    /// No more writes.
    pub(crate) fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How long writes are still allowed.
    ///
    /// # Errors
    ///
    /// Where they are not.
    pub(crate) fn check(&self) -> Result<Duration, Error> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        left.filter(|left| !left.is_zero()).ok_or(Error::NotLeading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_open_only_for_a_while_after_a_renewal() {
        let fence = Fence::default();
        assert!(fence.check().is_err());
        fence.renewed(Instant::now(), Duration::from_secs(60));
        assert!(fence.check().unwrap() > Duration::from_secs(50));
        fence.renewed(Instant::now(), Duration::ZERO);
        assert!(fence.check().is_err());
        fence.renewed(Instant::now(), Duration::from_secs(60));
        fence.close();
        assert!(fence.check().is_err());
    }
}
