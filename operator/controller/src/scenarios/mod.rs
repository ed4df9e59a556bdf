//! Whole reconciliations against an API server that is played: which requests are made, in which order, and that there are no others.
//! What is planned is `shoal-plan`'s to test.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "helpers of tests, which clippy takes for other code"
)]

mod server;

use crate::cache::Cache;
use crate::callees::Callees;
use crate::context::Context;
use crate::error::Error;
use crate::events::Events;
use crate::fence::Fence;
use crate::metrics::Metrics;
use crate::reconcile::{Failures, failed, reconcile};
use crate::referred::ReferredObjects;
use crate::registry::Registry;
use crate::scope::Scope;
use kube::Client;
use kube::runtime::controller::Action;
use serde_json::{Value, json};
use server::{Answer, Asked, ask, refusal};
use shoal_api::WasmService;
use shoal_plan::Options;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// With a digest, so that no registry is asked.
fn service() -> WasmService {
    let service = json!({
        "apiVersion": shoal_api::API_VERSION, "kind": shoal_api::KIND,
        "metadata": {"name": "greeter", "namespace": "shop", "uid": "12-34", "generation": 1, "resourceVersion": "5"},
        "spec": {
            "components": [{"name": "web", "image": format!("registry.example/web@sha256:{}", "1".repeat(64))}],
            "triggers": [{"name": "web", "component": "web", "http": {}}],
        },
    });
    serde_json::from_value(service).expect("a service")
}

fn open() -> Arc<Fence> {
    let fence = Arc::new(Fence::default());
    fence.renewed(Instant::now(), Duration::from_secs(600));
    fence
}

fn context(client: Client, fence: &Arc<Fence>, seen: &[Value]) -> Arc<Context> {
    let metrics = Arc::new(Metrics::new());
    Arc::new(Context {
        cache: Cache::of(seen),
        callees: Callees::new(&Scope::All),
        fence: Arc::clone(fence),
        events: Events::new(client.clone(), "test"),
        registry: Registry::new(client.clone(), &[], Arc::clone(&metrics)),
        referred: ReferredObjects::new(client.clone()),
        metrics,
        failures: Failures::default(),
        options: Options::default(),
        client,
    })
}

/// What came of one look at a service.
struct Looked {
    done: Result<Action, Error>,
    /// Requests but for events.
    asked: Vec<Asked>,
    /// The reasons of events.
    events: Vec<String>,
}

impl Looked {
    fn what(&self) -> Vec<&str> {
        self.asked.iter().map(|it| it.what.as_str()).collect()
    }

    /// Status and reason of a condition, as it was written.
    fn condition(&self, type_: &str) -> String {
        let status = self.asked.iter().find(|it| it.what.ends_with("/status"));
        let conditions = &status.expect("a status").body["status"]["conditions"];
        let mut conditions = conditions.as_array().expect("conditions").iter();
        let found = conditions.find(|it| it["type"] == type_).expect("the condition");
        format!("{} {}", found["status"], found["reason"]).replace('"', "")
    }
}

/// Reconciles once, with what watches have `seen`.
async fn look(
    service: WasmService,
    seen: &[Value],
    fence: Arc<Fence>,
    answer: impl Fn(&Asked) -> Option<Answer> + Send + 'static,
) -> Looked {
    let whole = json!(service);
    let answer = move |asked: &Asked| {
        let status = || asked.what.ends_with("/status").then(|| (200, whole.clone()));
        answer(asked).or_else(status)
    };
    let (done, asked) = ask(answer, async |client| {
        reconcile(Arc::new(service), context(client, &fence, seen)).await
    })
    .await;
    let (events, asked): (Vec<_>, Vec<_>) = asked.into_iter().partition(|it| it.what.contains(" events"));
    let reason = |it: &Asked| it.body["reason"].as_str().unwrap_or_default().to_owned();
    Looked {
        done,
        events: events.iter().map(reason).collect(),
        asked,
    }
}

fn taken(_: &Asked) -> Option<Answer> {
    None
}

/// What a watch tells after `looked` has written it.
fn written(looked: &Looked) -> Vec<Value> {
    let objects = looked.asked.iter().filter(|it| !it.what.ends_with("/status"));
    let seen = objects.map(|it| {
        let mut object = it.body.clone();
        object["metadata"]["resourceVersion"] = json!("7");
        object["metadata"]["namespace"] = json!("shop");
        object
    });
    seen.collect()
}

/// The requests for a service of which nothing is there.
const FIRST: [&str; 4] = [
    "PATCH networkpolicies/greeter",
    "PATCH deployments/greeter",
    "PATCH services/greeter",
    "PATCH wasmservices/greeter/status",
];

#[tokio::test]
async fn a_new_service_is_made_and_said_and_then_left_alone() {
    let first = look(service(), &[], open(), taken).await;
    assert_eq!(first.what(), FIRST);
    first.done.as_ref().expect("done");
    for asked in &first.asked {
        assert!(asked.query.contains("fieldManager=shoal-operator"), "{asked:?}");
    }
    // Nobody's fields are taken away where we think that nothing is there.
    assert!(first.asked[..3].iter().all(|it| !it.query.contains("force")));
    assert_eq!(first.asked[3].body["metadata"]["resourceVersion"], "5");
    assert_eq!(first.events, ["Created", "Resolved"]);
    let mut again = service();
    let status = first.asked[3].body["status"].clone();
    again.status = Some(serde_json::from_value(status).expect("a status"));
    // The Deployment is there now, which is news; then there is none.
    let seen = written(&first);
    let second = look(again.clone(), &seen, open(), taken).await;
    assert_eq!(second.what(), &FIRST[3..]);
    let status = second.asked[0].body["status"].clone();
    again.status = Some(serde_json::from_value(status).expect("a status"));
    let third = look(again, &seen, open(), taken).await;
    assert!(third.asked.is_empty() && third.events.is_empty());
    third.done.expect("done");
}

#[tokio::test]
async fn a_stale_cache_is_a_conflict_and_nothing_else_is_written() {
    let seen = written(&look(service(), &[], open(), taken).await);
    let mut changed = service();
    changed.spec.scaling.min_replicas = 2;
    let conflict = |asked: &Asked| {
        let deployment = asked.what.ends_with("deployments/greeter");
        deployment.then(|| refusal(409, "Conflict", &json!([])))
    };
    let looked = look(changed.clone(), &seen, open(), conflict).await;
    assert_eq!(looked.what().last(), Some(&"PATCH deployments/greeter"));
    let patch = looked.asked.last().expect("a patch");
    assert_eq!(patch.body["metadata"]["resourceVersion"], "7");
    assert!(
        patch.query.contains("force=true"),
        "the fields are ours: {patch:?}"
    );
    assert_eq!(looked.events, [""; 0], "a conflict is no news");
    let error = looked.done.expect_err("a conflict");
    assert!(error.is_conflict(), "{error}");
    // It is no failure that others would make it wait longer for.
    let (actions, asked) = ask(taken, async |client| {
        let (context, service) = (context(client, &open(), &[]), Arc::new(changed));
        [0; 3].map(|_| failed(&service, &error, &context))
    })
    .await;
    assert!(actions.iter().all(|it| *it == actions[0]) && asked.is_empty());
}

#[tokio::test]
async fn a_name_that_somebody_else_has_is_said_and_left_alone() {
    // Both where the watch does not show it, being without our label, and where it does.
    let manager = |asked: &Asked| {
        let causes =
            json!([{"reason": "FieldManagerConflict", "field": ".spec.replicas", "message": "theirs"}]);
        let deployment = asked.what.ends_with("deployments/greeter");
        deployment.then(|| refusal(409, "Conflict", &causes))
    };
    let looked = look(service(), &[], open(), manager).await;
    assert_eq!(looked.what(), [FIRST[0], FIRST[1], FIRST[3]]);
    assert_eq!(looked.condition("Accepted"), "False NameTaken");
    let mut theirs = written(&look(service(), &[], open(), taken).await);
    theirs[1]["metadata"]["ownerReferences"][0]["uid"] = json!("56-78");
    let looked = look(service(), &theirs[1..2], open(), taken).await;
    assert_eq!(looked.what(), [FIRST[0], FIRST[3]]);
    assert_eq!(looked.condition("Ready"), "False NameTaken");
}

#[tokio::test]
async fn what_the_server_never_takes_is_said_and_what_fails_for_now_is_not() {
    let answer = |code: u16, reason: &'static str| {
        move |asked: &Asked| {
            let deployment = asked.what.ends_with("deployments/greeter");
            deployment.then(|| refusal(code, reason, &json!([])))
        }
    };
    let looked = look(service(), &[], open(), answer(422, "Invalid")).await;
    assert_eq!(looked.what(), [FIRST[0], FIRST[1], FIRST[3]]);
    assert_eq!(looked.condition("Accepted"), "False Refused");
    looked.done.expect("it is said, and looked at again later");
    let looked = look(service(), &[], open(), answer(403, "Forbidden")).await;
    assert_eq!(looked.condition("Ready"), "False Refused");
    let status = &looked.asked.last().expect("a status").body["status"]["conditions"][0];
    let message = status["message"].as_str().expect("a message");
    assert!(message.contains("Forbidden, says the server"), "{message}");
    let looked = look(service(), &[], open(), answer(500, "InternalError")).await;
    assert_eq!(looked.what(), &FIRST[..2]);
    assert_eq!(looked.events, ["ReconcileFailed"]);
    assert!(looked.done.is_err());
}

#[tokio::test]
async fn the_job_that_may_make_no_pod_says_why() {
    let mut once = service();
    once.spec.triggers.clear();
    let mut seen = written(&look(once.clone(), &[], open(), taken).await);
    let job = seen.iter().find(|it| it["kind"] == "Job").expect("a job");
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "refused", "namespace": "shop"},
        "involvedObject": {"kind": "Job", "name": job["metadata"]["name"]}, "reason": "FailedCreate",
        "message": "exceeded quota: small", "lastTimestamp": "2026-01-01T00:00:00Z",
    });
    seen.push(event);
    let looked = look(once, &seen, open(), taken).await;
    assert_eq!(looked.what(), [FIRST[3]]);
    assert_eq!(looked.condition("Ready"), "False PodsRefused");
}

#[tokio::test]
async fn an_autoscaler_of_somebody_else_takes_the_place_of_ours() {
    let mut scaled = service();
    scaled.spec.scaling.max_replicas = Some(4);
    let mut seen = written(&look(scaled.clone(), &[], open(), taken).await);
    assert!(seen.iter().any(|it| it["kind"] == "HorizontalPodAutoscaler"));
    let foreign = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "theirs", "namespace": "shop"},
        "spec": {"maxReplicas": 9, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "greeter"}},
    });
    seen.push(foreign.clone());
    let looked = look(scaled.clone(), &seen, open(), taken).await;
    assert_eq!(
        looked.what(),
        ["DELETE horizontalpodautoscalers/greeter", FIRST[3]]
    );
    let status = &looked.asked.last().expect("a status").body["status"];
    assert_eq!(status["scaledBy"], "HorizontalPodAutoscaler theirs");
    // One of the same name is theirs, and stays.
    seen.retain(|it| it["kind"] != "HorizontalPodAutoscaler");
    let mut same = foreign;
    same["metadata"]["name"] = json!("greeter");
    seen.push(same);
    let looked = look(scaled, &seen, open(), taken).await;
    assert_eq!(looked.what(), [FIRST[3]]);
}

#[tokio::test]
async fn one_that_does_not_lead_asks_for_nothing() {
    let fence = Arc::new(Fence::default());
    let looked = look(service(), &[], fence, taken).await;
    assert!(looked.asked.is_empty() && looked.events.is_empty());
    assert!(matches!(looked.done, Err(Error::NotLeading)));
}

#[tokio::test]
async fn a_lease_that_is_lost_on_the_way_ends_the_writing_there() {
    for (last, count) in [(FIRST[0], 1), (FIRST[1], 2), (FIRST[2], 3)] {
        let fence = open();
        let closing = Arc::clone(&fence);
        let lose = move |asked: &Asked| {
            if asked.what == last {
                closing.close();
            }
            None
        };
        let looked = look(service(), &[], fence, lose).await;
        assert_eq!(looked.what(), &FIRST[..count]);
        assert_eq!(looked.events, [""; 0]);
        assert!(matches!(looked.done, Err(Error::NotLeading)), "{last}");
    }
}

#[tokio::test]
async fn what_is_no_longer_wanted_is_deleted_as_it_was_seen() {
    let mut scaled = service();
    scaled.spec.scaling.min_replicas = 2;
    let seen = written(&look(scaled, &[], open(), taken).await);
    let budget = "DELETE poddisruptionbudgets/greeter";
    for (code, gone) in [(200, true), (404, true), (409, false)] {
        let answer = move |asked: &Asked| {
            let delete = asked.what == budget;
            delete.then(|| refusal(code, "NotFound", &json!([])))
        };
        let looked = look(service(), &seen, open(), answer).await;
        let deleted = looked
            .asked
            .iter()
            .find(|it| it.what == budget)
            .expect("a delete");
        assert_eq!(deleted.body["preconditions"]["resourceVersion"], "7");
        assert_eq!(looked.done.is_ok(), gone, "{code}");
        assert_eq!(looked.what().contains(&FIRST[3]), gone, "{code}");
    }
    let mut theirs = seen;
    theirs.retain(|it| it["kind"] == "PodDisruptionBudget");
    assert_eq!(theirs.len(), 1);
    theirs[0]["metadata"]["ownerReferences"] = json!([]);
    let looked = look(service(), &theirs, open(), taken).await;
    assert_eq!(looked.what(), FIRST, "it is somebody else's");
}
