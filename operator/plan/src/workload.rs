//! All objects of a service: a Deployment where it is called, a CronJob for each of its schedules, a Job where it is run once, and what
//! belongs to them.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use shoal_api::WasmService;

use crate::parts::{deployed, deploys, serves};
use crate::pod::{Role, revision, template};
use crate::{Object, Observed, Options, autoscale, disruption, meta, network, scaling, schedule, service};

/// How long pods of a new revision may take to become ready, before the service's condition says that they don't. In seconds.
const PROGRESS: i32 = 120;

pub(crate) fn objects(
    wasm_service: &WasmService,
    digests: &BTreeMap<String, String>,
    observed: &Observed,
    options: &Options,
) -> Vec<Object> {
    let mut objects = vec![Object::new(&network::of(wasm_service, observed, options))];
    if deploys(wasm_service) {
        let deployment = deployment(&deployed(wasm_service), digests, observed, options);
        objects.push(Object::new(&deployment));
    }
    if serves(wasm_service) {
        objects.push(Object::new(&service::of(wasm_service)));
        objects.extend(autoscale::of(wasm_service, observed).as_ref().map(Object::new));
        objects.extend(disruption::of(wasm_service).as_ref().map(Object::new));
    }
    if wasm_service.spec.triggers.is_empty() {
        objects.push(Object::new(&job(wasm_service, digests, observed, options)));
    }
    // Last, as the API server knows more of points in time than the schema does: what it refuses keeps nothing else back.
    let cron_jobs = schedule::of(wasm_service, digests, observed, options);
    objects.extend(cron_jobs.map(|it| Object::new(&it)));
    objects
}

fn deployment(
    service: &WasmService,
    digests: &BTreeMap<String, String>,
    observed: &Observed,
    options: &Options,
) -> Deployment {
    Deployment {
        metadata: ObjectMeta {
            annotations: Some(scaling::annotations(service)),
            ..meta::of(service, meta::name(service))
        },
        spec: Some(DeploymentSpec {
            replicas: scaling::desired(service, observed),
            selector: meta::selector(service),
            template: template(service, digests, observed, options, Role::Serve),
            strategy: Some(strategy(service)),
            progress_deadline_seconds: Some(PROGRESS),
            revision_history_limit: Some(3),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

fn strategy(service: &WasmService) -> DeploymentStrategy {
    if service.spec.stores.iter().any(|store| store.persistent.is_some()) {
        // The file of a store has one writer, so a successor can't start before the old pod has ended.
        return DeploymentStrategy {
            type_: Some("Recreate".to_owned()),
            rolling_update: None,
        };
    }
    // A pod goes when its successor is ready: a new revision that can't start leaves the old one as it is.
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_unavailable: Some(IntOrString::Int(0)),
            max_surge: Some(IntOrString::String("25%".to_owned())),
        }),
    }
}

/// A Job can't be changed, so each revision has one of its own.
fn job(
    service: &WasmService,
    digests: &BTreeMap<String, String>,
    observed: &Observed,
    options: &Options,
) -> Job {
    let template = template(service, digests, observed, options, Role::Job);
    let revision = revision(template.metadata.as_ref()).unwrap_or_default();
    Job {
        metadata: meta::of(service, format!("{}-{revision}", meta::name(service))),
        spec: Some(JobSpec {
            template,
            backoff_limit: Some(3),
            ..JobSpec::default()
        }),
        status: None,
    }
}
