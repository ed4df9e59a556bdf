//! One look at one service: gather, plan, apply, say. It may end anywhere and be begun again: each step starts from what is there.

use crate::apply::{self, Written};
use crate::context::Context;
use crate::error::Error;
use crate::gather::{Gathered, gather};
use kube::ResourceExt;
use kube::runtime::controller::Action;
use serde_json::json;
use shoal_api::WasmService;
use shoal_plan::{Plan, plan};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// After a first failure; doubled by each further one of the same service.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(120);

pub(crate) async fn reconcile(service: Arc<WasmService>, context: Arc<Context>) -> Result<Action, Error> {
    let began = Instant::now();
    let done = once(&service, &context).await;
    let trouble = done.as_ref().err().filter(|error| !error.is_conflict());
    if let Some(error) = trouble.filter(|error| !matches!(error, Error::NotLeading)) {
        context.events.failed(&service, error).await;
    }
    context.metrics.reconciled(trouble.is_none(), began.elapsed());
    done
}

async fn once(service: &WasmService, context: &Context) -> Result<Action, Error> {
    // What belongs to a service that goes is removed by the garbage collector.
    if service.metadata.deletion_timestamp.is_some() {
        let (namespace, name) = (service.namespace().unwrap_or_default(), service.name_any());
        context.referred.uses(&namespace, &name, &BTreeSet::new());
        context.callees.calls(&namespace, &name, &BTreeSet::new());
        context.failures.forget(service);
        return Ok(Action::await_change());
    }
    let Gathered { mut observed, again } = gather(service, context).await?;
    let Plan { objects, mut status } = plan(service, &observed, &context.options);
    let mut written = Written::default();
    let mut stuck = None;
    if let Some(objects) = &objects {
        match apply::apply(service, objects, context).await {
            Ok(done) => written = done,
            Err(error @ Error::Taken { .. }) => {
                observed.taken = Some(error.to_string());
                status = plan(service, &observed, &context.options).status;
                stuck = Some(LONGEST);
            }
            Err(error) if error.is_refusal() => {
                observed.refused = Some(error.to_string());
                status = plan(service, &observed, &context.options).status;
                stuck = Some(LONGEST);
            }
            Err(error) => return Err(error),
        }
    }
    if service.status.as_ref() != Some(&status) {
        apply::status(service, context, &json!(status)).await?;
    }
    context.events.tell(service, &written, &status).await;
    context.failures.forget(service);
    Ok(again.or(stuck).map_or_else(Action::await_change, Action::requeue))
}

/// What to do after a failure.
pub(crate) fn failed(service: &Arc<WasmService>, error: &Error, context: &Arc<Context>) -> Action {
    let (namespace, name) = (service.namespace().unwrap_or_default(), service.name_any());
    if error.is_conflict() {
        // The watch has not told yet what changed.
        tracing::debug!(namespace, name, "{error}");
        return Action::requeue(FIRST);
    }
    let before = context.failures.count(service);
    tracing::warn!(namespace, name, failures = before + 1, "{error}");
    let pause = FIRST.saturating_mul(1_u32.checked_shl(before).unwrap_or(u32::MAX));
    Action::requeue(pause.min(LONGEST))
}

/// How often in a row each service failed.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<HashMap<(String, String), u32>>);

impl Failures {
    /// Counts one more, and returns how many there were before.
    fn count(&self, service: &WasmService) -> u32 {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(key(service)).or_default();
        let before = *count;
        *count = before.saturating_add(1);
        before
    }

    fn forget(&self, service: &WasmService) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(&key(service));
    }
}

fn key(service: &WasmService) -> (String, String) {
    (service.namespace().unwrap_or_default(), service.name_any())
}
