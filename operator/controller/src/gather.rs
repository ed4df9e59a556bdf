//! What a plan is made from: the caches, registries, and the Secrets and ConfigMaps that a service refers to.

use crate::context::Context;
use crate::error::Error;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use shoal_api::WasmService;
use shoal_plan::{Observed, Resolution, Workload, destinations, references, wanted_images};
use std::collections::BTreeMap;
use std::time::Duration;

/// What was seen, and when a registry that gave no answer may be asked again.
pub(crate) struct Gathered {
    pub(crate) observed: Observed,
    pub(crate) again: Option<Duration>,
}

pub(crate) async fn gather(service: &WasmService, context: &Context) -> Result<Gathered, Error> {
    let (namespace, name) = (service.namespace().unwrap_or_default(), service.name_any());
    let mut images = BTreeMap::new();
    let mut again: Option<Duration> = None;
    for image in wanted_images(service) {
        let resolved = context.registry.resolve(service, &image).await?;
        if let Resolution::Failed(_) = resolved.resolution {
            again = again.max(Some(resolved.again));
        }
        images.insert(image, resolved.resolution);
    }
    let wanted = references(service);
    context.referred.uses(&namespace, &name, &wanted);
    let mut referred = BTreeMap::new();
    for reference in wanted {
        let state = context.referred.state(&namespace, &reference).await?;
        referred.insert(reference, state);
    }
    let cache = &context.cache;
    let callees = destinations(service, &context.options);
    context.callees.calls(&namespace, &name, &callees);
    let deployment = cache.deployments.get(&ObjectRef::new(&name).within(&namespace));
    let jobs = cache.jobs.of(&namespace, &name);
    let cron_jobs = cache.cron_jobs.of(&namespace, &name);
    let pods = cache.pods.of(&namespace, &name);
    let autoscalers = cache.autoscalers.of(&namespace, &name);
    let owners = jobs.iter().map(|it| it.name_any());
    let owners = owners.chain(cron_jobs.iter().map(|it| it.name_any()));
    let owners: Vec<_> = owners.collect();
    let create_failures = cache
        .create_failures
        .of(&namespace, owners.iter().map(String::as_str));
    Ok(Gathered {
        observed: Observed {
            now: Time(now()),
            images,
            referred,
            destinations: context.callees.look(cache, callees),
            workload: Workload {
                deployment: deployment.map(|it| (*it).clone()),
                autoscalers: autoscalers.iter().map(|it| (**it).clone()).collect(),
                jobs: jobs.iter().map(|it| (**it).clone()).collect(),
                cron_jobs: cron_jobs.iter().map(|it| (**it).clone()).collect(),
            },
            pods: pods.iter().map(|it| (**it).clone()).collect(),
            create_failures,
            taken: None,
            refused: None,
        },
        again,
    })
}

/// In whole seconds, as Kubernetes keeps them.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
