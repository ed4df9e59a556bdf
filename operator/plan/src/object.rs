//! An object that should be there, ready to be applied. The kinds that the operator makes are listed here and nowhere else.

use k8s_openapi::Resource;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::Serialize;
use serde_json::{Value, json};

/// What the operator makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// apps/v1
    Deployment,
    /// batch/v1
    Job,
    /// batch/v1
    CronJob,
    /// v1
    Service,
    /// autoscaling/v2
    HorizontalPodAutoscaler,
    /// policy/v1
    PodDisruptionBudget,
    /// networking.k8s.io/v1
    NetworkPolicy,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Deployment,
        Self::Job,
        Self::CronJob,
        Self::Service,
        Self::HorizontalPodAutoscaler,
        Self::PodDisruptionBudget,
        Self::NetworkPolicy,
    ];
}

/// An object that should be there.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Its name, in the service's namespace.
    pub name: String,
    /// The fields that are ours, `apiVersion` and `kind` among them.
    pub body: Value,
}

/// A type that is one of the kinds.
pub(crate) trait Made: Resource + Serialize {
    const KIND_OF_OURS: Kind;
}

impl Made for Deployment {
    const KIND_OF_OURS: Kind = Kind::Deployment;
}
impl Made for Job {
    const KIND_OF_OURS: Kind = Kind::Job;
}
impl Made for CronJob {
    const KIND_OF_OURS: Kind = Kind::CronJob;
}
impl Made for Service {
    const KIND_OF_OURS: Kind = Kind::Service;
}
impl Made for HorizontalPodAutoscaler {
    const KIND_OF_OURS: Kind = Kind::HorizontalPodAutoscaler;
}
impl Made for PodDisruptionBudget {
    const KIND_OF_OURS: Kind = Kind::PodDisruptionBudget;
}
impl Made for NetworkPolicy {
    const KIND_OF_OURS: Kind = Kind::NetworkPolicy;
}

impl Object {
    pub(crate) fn new<T: Made>(object: &T) -> Self {
        let mut body = json!(object);
        body["apiVersion"] = json!(T::API_VERSION);
        body["kind"] = json!(T::KIND);
        Self {
            kind: T::KIND_OF_OURS,
            name: body["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
            body,
        }
    }
}
