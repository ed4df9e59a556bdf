//! Pods that an admission controller refused: quotas, LimitRanges, policies and webhooks. A Deployment says so in a condition; a Job and
//! a CronJob in events alone. The words are those of who refused.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::Observed;
use crate::pod::revision;
use crate::verdict::{Cause, Failure};

/// Why a Deployment has fewer pods than it should.
pub(crate) fn of_deployment(deployment: &Deployment) -> Option<Failure> {
    let conditions = deployment.status.as_ref()?.conditions.as_ref()?;
    let mut conditions = conditions.iter();
    let refused = conditions.find(|it| it.type_ == "ReplicaFailure" && it.status == "True")?;
    Some(failure(refused.message.as_deref().unwrap_or_default()))
}

/// Why a Job, or the Jobs of a CronJob, have no pod of a revision: what was said after the newest of them was made.
pub(crate) fn of_job(observed: &Observed, owner: &str, wanted: &str) -> Option<Failure> {
    let pods = observed.pods.iter();
    let made = pods.filter(|pod| revision(Some(&pod.metadata)) == Some(wanted));
    let made = made.filter_map(created).max();
    let failures = observed.create_failures.iter();
    let failures = failures.filter(|it| it.owner == owner && it.at.as_ref() > made);
    let newest = failures.max_by_key(|it| &it.at)?;
    Some(failure(&newest.message))
}

fn created(pod: &Pod) -> Option<&Time> {
    pod.metadata.creation_timestamp.as_ref()
}

fn failure(message: &str) -> Failure {
    Failure {
        text: format!("a pod was refused: {}", message.trim()),
        kind: None,
        ran: false,
        cause: Cause::Refused,
    }
}
