//! Makes a service's objects what they should be, by server-side apply (KEP-555): our field manager says our fields and no others, so
//! what an autoscaler or a person has set beside them stays. What is as it should be is left alone.

use crate::cache::Live;
use crate::context::Context;
use crate::error::{Error, code};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::{Api, Resource, ResourceExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shoal_api::{WasmService, labels};
use shoal_plan::{Kind, Object};
use std::time::Duration;

/// A hash over what we applied last: tells that a field is no longer ours to say, which the object alone does not show.
const APPLIED: &str = "shoal.dev/applied";
/// A write takes no longer, so that it is over before another replica may lead.
const WRITE: Duration = Duration::from_secs(4);

/// What was written for a service.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) created: Vec<(Kind, String)>,
    pub(crate) changed: Vec<(Kind, String)>,
    pub(crate) deleted: Vec<(Kind, String)>,
}

/// Applies `objects`, then removes what else there is of the service.
pub(crate) async fn apply(
    service: &WasmService,
    objects: &[Object],
    context: &Context,
) -> Result<Written, Error> {
    let namespace = service.namespace().unwrap_or_default();
    let mut written = Written::default();
    for object in objects {
        let live = context.cache.live(object.kind, &namespace, &object.name);
        let body = with_hash(&object.body);
        if live.as_ref().is_some_and(|live| contains(&live.body, &body)) {
            continue;
        }
        let is_new = live.is_none();
        one(service, object, body, live, context).await?;
        let list = if is_new {
            &mut written.created
        } else {
            &mut written.changed
        };
        list.push((object.kind, object.name.clone()));
    }
    for kind in Kind::ALL {
        for name in context.cache.names(kind, &namespace, &service.name_any()) {
            let wanted = objects.iter().any(|it| it.kind == kind && it.name == name);
            if !wanted && let Some(live) = context.cache.live(kind, &namespace, &name) {
                if !belongs(&live.body, service) {
                    continue;
                }
                remove(&namespace, kind, &name, &live, context).await?;
                written.deleted.push((kind, name));
            }
        }
    }
    Ok(written)
}

async fn one(
    service: &WasmService,
    object: &Object,
    mut body: Value,
    live: Option<Live>,
    context: &Context,
) -> Result<(), Error> {
    let Object { kind, name, .. } = object;
    let mut params = PatchParams::apply(labels::OPERATOR);
    if let Some(live) = live {
        if !belongs(&live.body, service) {
            return Err(Error::Taken {
                kind: *kind,
                name: name.clone(),
            });
        }
        // What was decided rests on this version; and the fields are ours, whoever changed them.
        body["metadata"]["resourceVersion"] = json!(live.version);
        params = params.force();
    }
    let api = api(*kind, &service.namespace().unwrap_or_default(), context);
    let patch = Patch::Apply(&body);
    let applied = write(context, *kind, "patch", api.patch(name, &params, &patch)).await?;
    match applied {
        Ok(_) => Ok(()),
        // Nothing was there that we know of, and somebody's fields are in the way.
        Err(error) if code(&error) == Some(409) && !params.force && is_conflict_of_managers(&error) => {
            Err(Error::Taken {
                kind: *kind,
                name: name.clone(),
            })
        }
        Err(source) => Err(Error::Apply {
            kind: *kind,
            name: name.clone(),
            source: Box::new(source),
        }),
    }
}

fn is_conflict_of_managers(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let mut causes = status.details.iter().flat_map(|it| &it.causes);
    causes.any(|it| it.reason == "FieldManagerConflict")
}

async fn remove(
    namespace: &str,
    kind: Kind,
    name: &str,
    live: &Live,
    context: &Context,
) -> Result<(), Error> {
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            resource_version: live.version.clone(),
            uid: None,
        }),
        ..DeleteParams::background()
    };
    let api = api(kind, namespace, context);
    match write(context, kind, "delete", api.delete(name, &params)).await? {
        Ok(_) => Ok(()),
        Err(error) if code(&error) == Some(404) => Ok(()),
        Err(source) => Err(Error::Apply {
            kind,
            name: name.to_owned(),
            source: Box::new(source),
        }),
    }
}

/// Writes, if we may, and for no longer than we may.
async fn write<T>(
    context: &Context,
    kind: Kind,
    verb: &'static str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<kube::Result<T>, Error> {
    let left = context.fence.check()?;
    context.metrics.wrote(&format!("{kind:?}"), verb);
    let written = tokio::time::timeout(left.min(WRITE), request).await;
    written.map_err(|_| Error::Late {
        what: format!("{verb} {kind:?}"),
    })
}

/// Says what became of a service.
pub(crate) async fn status(service: &WasmService, context: &Context, status: &Value) -> Result<(), Error> {
    let left = context.fence.check()?;
    let api: Api<WasmService> =
        Api::namespaced(context.client.clone(), &service.namespace().unwrap_or_default());
    let body = json!({
        "apiVersion": shoal_api::API_VERSION,
        "kind": shoal_api::KIND,
        "metadata": { "name": service.name_any(), "resourceVersion": service.resource_version() },
        "status": status,
    });
    context.metrics.wrote(shoal_api::KIND, "status");
    let (name, params) = (service.name_any(), PatchParams::apply(labels::OPERATOR).force());
    let patch = Patch::Apply(&body);
    let patched = tokio::time::timeout(left.min(WRITE), api.patch_status(&name, &params, &patch));
    let what = || format!("the status of {name}");
    let patched = patched.await.map_err(|_| Error::Late { what: what() })?;
    patched.map(drop).map_err(Error::api(what()))
}

fn api(kind: Kind, namespace: &str, context: &Context) -> Api<DynamicObject> {
    let resource = match kind {
        Kind::Deployment => resource::<Deployment>(),
        Kind::Job => resource::<Job>(),
        Kind::CronJob => resource::<CronJob>(),
        Kind::Service => resource::<Service>(),
        Kind::HorizontalPodAutoscaler => resource::<HorizontalPodAutoscaler>(),
        Kind::PodDisruptionBudget => resource::<PodDisruptionBudget>(),
        Kind::NetworkPolicy => resource::<NetworkPolicy>(),
    };
    Api::namespaced_with(context.client.clone(), namespace, &resource)
}

fn resource<K: Resource<DynamicType = ()>>() -> ApiResource {
    ApiResource::erase::<K>(&())
}

fn with_hash(body: &Value) -> Value {
    let hash = hex::encode(&Sha256::digest(body.to_string())[..8]);
    let mut body = body.clone();
    body["metadata"]["annotations"][APPLIED] = json!(hash);
    body
}

/// Whether the service owns the object.
fn belongs(live: &Value, service: &WasmService) -> bool {
    let owners = live["metadata"]["ownerReferences"].as_array();
    let mut owners = owners.into_iter().flatten();
    owners.any(|it| it["uid"].as_str().is_some() && it["uid"].as_str() == service.metadata.uid.as_deref())
}

/// Whether `live` has all that `wanted` says. Entries of a list of ours that have names are found by them, since others may have put
/// theirs between.
fn contains(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
            // The types leave out of a live object what they need not say again.
            let implied = matches!(key.as_str(), "apiVersion" | "kind");
            live.get(key)
                .map_or(implied || is_nothing(wanted), |live| contains(live, wanted))
        }),
        (Value::Array(live), Value::Array(wanted)) => {
            let named = wanted.iter().all(|it| it["name"].is_string());
            if named {
                wanted.iter().all(|wanted| {
                    let mut live = live.iter();
                    live.any(|it| it["name"] == wanted["name"] && contains(it, wanted))
                })
            } else {
                live.len() == wanted.len()
                    && live
                        .iter()
                        .zip(wanted)
                        .all(|(live, wanted)| contains(live, wanted))
            }
        }
        _ => live == wanted,
    }
}

/// What the API server does not keep.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_set_does_not_matter_and_what_we_said_does() {
        let wanted = json!({"apiVersion": "v1", "spec": {"replicas": 2, "ports": [{"name": "http", "port": 80}], "egress": []}});
        let live = |replicas: i32, port: i32| {
            json!({
                "metadata": {"annotations": {"a": "b"}},
                "spec": {
                    "replicas": replicas, "paused": true,
                    "ports": [{"name": "other", "port": 1}, {"name": "http", "port": port, "protocol": "TCP"}],
                },
            })
        };
        assert!(contains(&live(2, 80), &wanted));
        assert!(!contains(&live(3, 80), &wanted));
        assert!(!contains(&live(2, 81), &wanted));
    }

    #[test]
    fn a_field_that_is_no_longer_ours_shows_in_the_hash() {
        let with = with_hash(&json!({"metadata": {"name": "a"}, "spec": {"replicas": 2}}));
        let without = with_hash(&json!({"metadata": {"name": "a"}, "spec": {}}));
        assert!(!contains(&with, &without));
        assert!(contains(&with, &with));
    }
}
