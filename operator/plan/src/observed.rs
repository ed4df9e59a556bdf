//! What a plan is made from, beside the spec. Plain data.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{Destination, Reference, ServiceName};

/// What was seen.
#[derive(Clone, Debug)]
pub struct Observed {
    /// When it was seen; conditions that change, change then.
    pub now: Time,
    /// What each image of the spec was resolved to.
    pub images: BTreeMap<String, Resolution>,
    /// What the Secrets and ConfigMaps hold that the spec refers to.
    pub referred: BTreeMap<Reference, Referred>,
    /// The Services that the spec's grants may name.
    pub destinations: BTreeMap<ServiceName, Destination>,
    /// What runs the service's pods now.
    pub workload: Workload,
    /// The service's pods, of all revisions.
    pub pods: Vec<Pod>,
    /// That its Jobs and CronJobs could not make what they are there to make.
    pub create_failures: Vec<CreateFailure>,
    /// That an object of a name that the service needs belongs to somebody else, and what to do.
    pub taken: Option<String>,
    /// That the API server does not take an object that the service needs, in its words.
    pub refused: Option<String>,
}

/// That a controller of Kubernetes was not allowed to make an object: a quota is used up, say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateFailure {
    /// The Job that could make no pod, or the CronJob that could make no Job. For the Job of a CronJob: the CronJob.
    pub owner: String,
    /// Why, in the words of who refused it.
    pub message: String,
    /// When it was refused last.
    pub at: Option<Time>,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The digest of its manifest: `sha256:…`.
    Digest(String),
    /// Why there is none, and what to do.
    Failed(String),
}

/// A Secret or a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Referred {
    /// A hash over its data.
    Hash(String),
    /// It is not there.
    Missing,
}

/// What runs the pods.
#[derive(Clone, Debug, Default)]
pub struct Workload {
    /// The Deployment of a service that is called.
    pub deployment: Option<Deployment>,
    /// The autoscalers that others have made for the Deployment, or for the service itself.
    pub autoscalers: Vec<HorizontalPodAutoscaler>,
    /// The Jobs of a service that is run, of all revisions.
    pub jobs: Vec<Job>,
    /// The CronJobs of its schedules.
    pub cron_jobs: Vec<CronJob>,
}

/// What the operator was told when it was started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The RuntimeClass of the shim.
    pub runtime_class: String,
    /// The domain of the cluster's names.
    pub cluster_domain: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            runtime_class: "shoal".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
        }
    }
}
