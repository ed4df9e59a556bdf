//! `shoal status`: services of a cluster as a table, or one of them in full.

use super::table::{age, table};
use super::trouble::{self, EventReport, PodReport};
use super::{Cluster, Deployed, Target, explain};
use crate::Outcome;
use crate::console::Console;
use crate::failure::Failure;
use crate::text;
use clap::Args;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ListParams;
use serde::Serialize;
use serde_json::{Value, json};
use shoal_api::WasmServiceStatus;

/// Show what a cluster says of its services, or of one in full
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// The service; all of the namespace without it
    #[arg(value_name = "SERVICE")]
    service: Option<String>,
    /// The services of all namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["service", "namespace"])]
    all_namespaces: bool,
    #[command(flatten)]
    target: Target,
}

/// All that is told of one service.
#[derive(Debug, Serialize)]
struct Report {
    name: String,
    namespace: String,
    generation: Option<i64>,
    created: Option<Timestamp>,
    status: WasmServiceStatus,
    pods: Vec<PodReport>,
    events: Vec<EventReport>,
}

pub(crate) async fn status(options: Status, console: &Console) -> Outcome {
    let Status {
        service,
        all_namespaces,
        target,
    } = options;
    let cluster = target.connect().await?;
    let now = Timestamp::now();
    if let Some(name) = service {
        let report = report(&cluster, &name)
            .await
            .map_err(|error| Failure::Other(explain(&error)))?;
        return console.result(&report, || full(&report, now));
    }
    let services = match all_namespaces {
        true => cluster.all_services(),
        false => cluster.services(cluster.namespace()),
    };
    let mut found = services
        .list(&ListParams::default())
        .await
        .map_err(|error| Failure::Other(explain(&error)))?
        .items;
    found.sort_by_key(|it| (it.namespace(), it.name_any()));
    let value = json!({ "services": found.iter().map(short).collect::<Vec<_>>() });
    console.result(&value, || match found.is_empty() {
        true if all_namespaces => "no services in the cluster\n".to_owned(),
        true => format!("no services in the namespace {}\n", cluster.namespace()),
        false => list(&found, all_namespaces, now),
    })
}

async fn report(cluster: &Cluster, name: &str) -> kube::Result<Report> {
    let namespace = cluster.namespace();
    let service = cluster.services(namespace).get(name).await?;
    let pods = cluster.pods(namespace, name).await?;
    let pods: Vec<_> = pods.iter().map(trouble::pod).collect();
    Ok(Report {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        generation: service.metadata.generation,
        created: service.metadata.creation_timestamp.map(|it| it.0),
        status: service.status.unwrap_or_default(),
        events: cluster.events(namespace, name, &pods).await?,
        pods,
    })
}

fn short(service: &Deployed) -> Value {
    json!({
        "name": service.name_any(),
        "namespace": service.namespace(),
        "generation": service.metadata.generation,
        "status": service.status,
    })
}

fn list(services: &[Deployed], namespaces: bool, now: Timestamp) -> String {
    let row = |service: &Deployed| {
        let status = service.status.clone().unwrap_or_default();
        let ready = status.conditions.iter().find(|it| it.type_ == "Ready");
        let behind = status.observed_generation < service.metadata.generation;
        let why = match ready {
            _ if behind => "Pending".to_owned(),
            Some(ready) => ready.reason.clone(),
            None => String::new(),
        };
        let mut row = vec![
            service.name_any(),
            ready.map_or_else(|| "Unknown".to_owned(), |it| it.status.clone()),
            why,
            status.replicas.map(|it| it.to_string()).unwrap_or_default(),
            status.url.unwrap_or_default(),
            age(service.creation_timestamp().map(|it| it.0), now),
        ];
        if namespaces {
            row.insert(0, service.namespace().unwrap_or_default());
        }
        row
    };
    let mut head = vec!["NAME", "READY", "REASON", "REPLICAS", "URL", "AGE"];
    if namespaces {
        head.insert(0, "NAMESPACE");
    }
    table(&head, &services.iter().map(row).collect::<Vec<_>>())
}

fn full(report: &Report, now: Timestamp) -> String {
    let Report {
        name,
        namespace,
        generation,
        created,
        status,
        pods,
        events,
    } = report;
    let mut out = format!("{name}  in the namespace {namespace}\n");
    let generation = generation.unwrap_or_default();
    let observed = match status.observed_generation {
        Some(observed) if observed >= generation => generation.to_string(),
        Some(observed) => format!("{generation}, of which the operator has seen {observed}"),
        None => format!("{generation}, which no operator has looked at yet"),
    };
    let line = |value: &Option<String>| value.clone().unwrap_or_default();
    for (label, value) in [
        ("url", line(&status.url)),
        ("placement", line(&status.placement)),
        ("replicas", line(&status.replicas.map(|it| it.to_string()))),
        ("revision", line(&status.revision)),
        ("generation", observed),
        ("age", age(*created, now)),
    ] {
        if !value.is_empty() {
            out.push_str(&format!("  {label:<12}{}\n", text::line(value.as_bytes())));
        }
    }
    let mut part = |head: &[&str], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            out.push_str(&format!("\n{}", table(head, &rows)));
        }
    };
    let conditions = status.conditions.iter().map(|it| {
        let since = age(Some(it.last_transition_time.0), now);
        vec![
            it.type_.clone(),
            it.status.clone(),
            it.reason.clone(),
            since,
            it.message.clone(),
        ]
    });
    part(
        &["CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE"],
        conditions.collect(),
    );
    let components = status
        .components
        .iter()
        .map(|it| vec![it.name.clone(), line(&it.digest), line(&it.image)]);
    part(&["COMPONENT", "DIGEST", "IMAGE"], components.collect());
    let pods = pods.iter().map(|it| {
        vec![
            it.name.clone(),
            it.ready.to_string(),
            it.state.clone(),
            it.restarts.to_string(),
            line(&it.revision),
            line(&it.node),
            age(it.created, now),
        ]
    });
    part(
        &["POD", "READY", "STATE", "RESTARTS", "REVISION", "NODE", "AGE"],
        pods.collect(),
    );
    let events = events.iter().map(|it| {
        vec![
            age(it.last, now),
            it.kind.clone(),
            it.reason.clone(),
            it.object.clone(),
            it.message.clone(),
        ]
    });
    part(&["LAST", "TYPE", "REASON", "OBJECT", "MESSAGE"], events.collect());
    out
}

#[cfg(test)]
mod tests;
