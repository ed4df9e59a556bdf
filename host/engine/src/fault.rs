//! Why a call into an instance ended badly, told apart: its own trap, a limit, or ours. What a caller is told is decided by
//! `service`.

use crate::{Exceeded, Limiter};
use std::time::Duration;
use wasmtime::Trap;

/// The end of an instance that did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A limit of the manifest was exceeded.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// The wall-clock deadline passed.
    #[error("limits.requestTimeout: no answer within {limit:?}")]
    Deadline {
        /// The time allowed.
        limit: Duration,
    },
    /// The guest trapped.
    #[error("trap: {text}")]
    Trap {
        /// Wasmtime's text for the trap, and where in the guest it happened.
        text: String,
    },
    /// A host function refused the call.
    #[error("{text}")]
    Host {
        /// What the host function said.
        text: String,
    },
}

impl Fault {
    /// Tells why a call failed, from wasmtime's error and what the limiter saw.
    pub fn of(error: &wasmtime::Error, limiter: &Limiter) -> Self {
        if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
            return exceeded.clone().into();
        }
        match error.downcast_ref::<Trap>() {
            // A language runtime that gets no memory aborts, and to the host that is `unreachable`.
            Some(Trap::UnreachableCodeReached | Trap::MemoryOutOfBounds | Trap::AllocationTooLarge) => {
                if let Some(exceeded) = limiter.refused() {
                    return exceeded.clone().into();
                }
                Self::Trap { text: text(error) }
            }
            Some(_) => Self::Trap { text: text(error) },
            // Instantiation fails with an error of its own where the first memory is already too large.
            None => match limiter.refused() {
                Some(exceeded) => exceeded.clone().into(),
                None => Self::Host { text: text(error) },
            },
        }
    }
}

/// The error with its causes on one line; a backtrace keeps its lines.
fn text(error: &wasmtime::Error) -> String {
    let root = error.root_cause().to_string();
    let outer = error.to_string();
    if outer == root {
        root
    } else {
        format!("{root}\n{outer}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use std::sync::Arc;
    use wasmtime::ResourceLimiter;

    fn limiter() -> Limiter {
        let cpu_time = Duration::from_secs(1);
        Limiter::new(Limits { memory: 10, cpu_time }, Arc::default())
    }

    #[test]
    fn an_abort_after_a_refused_growth_is_the_memory_limit() {
        let mut limiter = limiter();
        let unreachable = wasmtime::Error::new(Trap::UnreachableCodeReached);
        assert!(matches!(Fault::of(&unreachable, &limiter), Fault::Trap { .. }));
        assert!(!limiter.memory_growing(0, 11, None).expect("no error"));
        assert!(matches!(
            Fault::of(&unreachable, &limiter),
            Fault::Exceeded(Exceeded::Memory { .. })
        ));
        let division = wasmtime::Error::new(Trap::IntegerDivisionByZero);
        assert!(matches!(Fault::of(&division, &limiter), Fault::Trap { .. }));
    }

    #[test]
    fn what_a_host_function_says_is_kept() {
        let error = wasmtime::Error::msg("keyValue store `default` is read-only");
        assert_eq!(
            Fault::of(&error, &limiter()).to_string(),
            "keyValue store `default` is read-only"
        );
    }
}
