//! Whether and when a request is tried again. What the requests are is in `http`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{ArtifactError, Transport};

/// How one attempt failed.
pub(crate) enum Failure {
    /// Trying again would not help.
    Fatal(ArtifactError),
    /// It may work next time, not before `after` if the registry said so.
    Again {
        error: ArtifactError,
        after: Option<Duration>,
    },
}

impl From<ArtifactError> for Failure {
    fn from(error: ArtifactError) -> Self {
        Self::Fatal(error)
    }
}

/// Counts attempts and sleeps between them.
pub(crate) struct Backoff<'a> {
    transport: &'a Transport,
    tried: u32,
}

impl<'a> Backoff<'a> {
    pub(crate) fn new(transport: &'a Transport) -> Self {
        Self { transport, tried: 0 }
    }

    /// Sleeps if the failure deserves another attempt, else returns its error.
    pub(crate) async fn after(&mut self, failure: Failure) -> Result<(), ArtifactError> {
        self.tried += 1;
        match failure {
            Failure::Fatal(error) => Err(error),
            Failure::Again { error, .. } if self.tried >= self.transport.attempts => Err(match self.tried {
                1 => error,
                attempts => ArtifactError::GaveUp {
                    attempts,
                    source: Box::new(error),
                },
            }),
            Failure::Again { error, after } => {
                let doubled = self
                    .transport
                    .backoff
                    .saturating_mul(1 << (self.tried - 1).min(16));
                // Up to half as much again, so that those who failed together do not come back together.
                let nanos = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default()
                    .subsec_nanos();
                let pause = doubled + doubled.mul_f64(f64::from(nanos % 1000) / 2000.0);
                let pause = after.unwrap_or(pause).min(self.transport.max_backoff);
                tracing::debug!(%error, ?pause, "trying again");
                tokio::time::sleep(pause).await;
                Ok(())
            }
        }
    }
}
