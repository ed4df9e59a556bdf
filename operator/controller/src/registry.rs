//! Digests of images. A registry is asked by few at a time, and one that failed is left alone for a while, longer each time.

use crate::error::Error;
use crate::metrics::Metrics;
use crate::pull_secrets;
use kube::{Client, ResourceExt};
use shoal_api::WasmService;
use shoal_artifact::{ArtifactError, CredentialSource, PlainHttp, Transport, parse_reference};
use shoal_plan::Resolution;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Registries are asked by so many at once.
const AT_ONCE: usize = 8;
/// After the first failure; doubled by each further one.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);
/// So many logins are tried for an image.
const MOST_LOGINS: usize = 8;

pub(crate) struct Registry {
    client: Client,
    transport: Transport,
    turns: Semaphore,
    failures: Mutex<HashMap<(String, String, String), Failure>>,
    metrics: Arc<Metrics>,
}

struct Failure {
    generation: Option<i64>,
    reason: String,
    pause: Duration,
    until: Instant,
}

/// What became of a question.
pub(crate) struct Resolved {
    pub(crate) resolution: Resolution,
    /// When to ask again, where it failed.
    pub(crate) again: Duration,
}

impl Registry {
    pub(crate) fn new(client: Client, insecure: &[String], metrics: Arc<Metrics>) -> Arc<Self> {
        let hosts: Vec<_> = insecure.iter().filter(|it| !it.is_empty()).cloned().collect();
        Arc::new(Self {
            client,
            transport: Transport {
                plain_http: if hosts.is_empty() {
                    PlainHttp::Never
                } else {
                    PlainHttp::Hosts(hosts)
                },
                stall_timeout: Duration::from_secs(10),
                total_timeout: Duration::from_secs(30),
                attempts: 2,
                ..Transport::default()
            },
            turns: Semaphore::new(AT_ONCE),
            failures: Mutex::default(),
            metrics,
        })
    }

    /// The digest of an image of `service`, or why there is none.
    pub(crate) async fn resolve(&self, service: &WasmService, image: &str) -> Result<Resolved, Error> {
        let key = (
            service.namespace().unwrap_or_default(),
            service.name_any(),
            image.to_owned(),
        );
        let generation = service.metadata.generation;
        let failed = |reason: &str, again: Duration| Resolved {
            resolution: Resolution::Failed(reason.to_owned()),
            again,
        };
        let mut pause = FIRST;
        {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            // What nobody asks about any more is forgotten.
            failures.retain(|_, it| it.until.elapsed() < 2 * LONGEST);
            if let Some(before) = failures.get(&key).filter(|it| it.generation == generation) {
                let left = before.until.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    return Ok(failed(&before.reason, left));
                }
                pause = (before.pause * 2).min(LONGEST);
            }
        }
        let resolved = self.ask(service, image).await?;
        self.metrics.resolved(resolved.is_ok());
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match resolved {
            Ok(digest) => {
                failures.remove(&key);
                Resolved {
                    resolution: Resolution::Digest(digest),
                    again: Duration::ZERO,
                }
            }
            Err(error) => {
                let reason = error.to_string();
                let answer = failed(&reason, pause);
                let until = Instant::now() + pause;
                failures.insert(
                    key,
                    Failure {
                        generation,
                        reason,
                        pause,
                        until,
                    },
                );
                answer
            }
        })
    }

    async fn ask(&self, service: &WasmService, image: &str) -> Result<Result<String, ArtifactError>, Error> {
        let reference = match parse_reference(image) {
            Ok(reference) => reference,
            Err(error) => return Ok(Err(error)),
        };
        let keyring = pull_secrets::keyring(&self.client, service).await?;
        let repository = format!("{}/{}", reference.registry(), reference.repository());
        let logins = keyring.lookup(&repository).into_iter().take(MOST_LOGINS);
        let mut sources = logins.map(CredentialSource::Login);
        let mut credentials = sources.next().unwrap_or(CredentialSource::Anonymous);
        // Never closed.
        let _turn = self.turns.acquire().await;
        loop {
            let transport = Transport {
                credentials,
                ..self.transport.clone()
            };
            let resolved = shoal_artifact::resolve(&reference, &transport).await;
            match sources.next() {
                Some(next) if resolved.is_err() => credentials = next,
                _ => return Ok(resolved.map(|digest| digest.to_string())),
            }
        }
    }
}
