//! A manifest's limits as the host counts them: bytes, durations.

use shoal_api::{Limits, Reuse};
use std::time::Duration;

/// What one component may spend. The units are those of the manifest.
#[derive(Clone, Debug)]
pub(crate) struct UnitLimits {
    pub(crate) instance: shoal_engine::Limits,
    pub(crate) request_timeout: Duration,
    pub(crate) stream_idle_timeout: Duration,
    pub(crate) request_body: u64,
    pub(crate) response_body: u64,
}

impl From<&Limits> for UnitLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            instance: shoal_engine::Limits {
                memory: limits.memory.bytes(),
                cpu_time: limits.cpu_time.as_std(),
            },
            request_timeout: limits.request_timeout.as_std(),
            stream_idle_timeout: limits.stream_idle_timeout.as_std(),
            request_body: limits.request_body.bytes(),
            response_body: limits.response_body.bytes(),
        }
    }
}

/// How often an instance is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReuseLimits {
    pub(crate) max_requests: u32,
    pub(crate) idle_timeout: Duration,
}

impl From<&Reuse> for ReuseLimits {
    fn from(reuse: &Reuse) -> Self {
        Self {
            max_requests: reuse.max_requests,
            idle_timeout: reuse.idle_timeout.as_std(),
        }
    }
}
