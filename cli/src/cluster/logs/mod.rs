//! `shoal logs`: what the pods of a service print. All that was printed is put into order by time (`merge`); what is being printed
//! comes as it comes (`follow`).

mod follow;
mod line;
mod merge;
mod read;

use super::{Cluster, Target, explain};
use crate::Outcome;
use crate::console::Console;
use crate::failure::Failure;
use clap::Args;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use line::Writer;
use serde_json::Value;
use shoal_api::Duration;

/// Print what the pods of a service print
///
/// Each line begins with its pod and its component. With --follow, pods that a rolling update starts are followed too.
#[derive(Args, Debug)]
pub(crate) struct Logs {
    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,
    /// One component alone
    #[arg(short, long, value_name = "NAME")]
    component: Option<String>,
    /// Go on with what is printed from now on, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// What was printed this long ago or later
    #[arg(long, value_name = "DURATION")]
    since: Option<Duration>,
    /// The last lines of each component alone
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u32))]
    tail: Option<u32>,
    #[command(flatten)]
    target: Target,
}

/// What is asked for.
#[derive(Clone, Debug)]
struct Wanted {
    component: Option<String>,
    /// How much of what was printed before.
    past: LogParams,
}

impl Wanted {
    fn takes(&self, container: &str) -> bool {
        self.component.as_deref().is_none_or(|it| it == container)
    }
}

pub(crate) async fn logs(options: Logs, console: &Console) -> Outcome {
    let Logs {
        service: name,
        component,
        follow,
        since,
        tail,
        target,
    } = options;
    let cluster = target.connect().await?;
    let namespace = cluster.namespace();
    let service = cluster.services(namespace).get(&name).await;
    let service = service.map_err(|error| Failure::Other(explain(&error)))?;
    if let Some(component) = &component {
        known(component, &service.spec)?;
    }
    let wanted = Wanted {
        component,
        past: LogParams {
            // A part of a second counts as a whole one: rather a line too many.
            since_seconds: since.map(|it| seconds(it.as_std())),
            tail_lines: tail.map(i64::from),
            timestamps: true,
            ..LogParams::default()
        },
    };
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let mut writer = Writer::new(console);
    if follow {
        return follow::follow(&pods, &name, &wanted, &mut writer).await;
    }
    let found = pods_of(&cluster, namespace, &name).await?;
    if found.is_empty() {
        console.warn(format!(
            "{name} has no pods, and what earlier ones printed went with them"
        ));
    }
    merge::merged(&pods, &found, &wanted, &mut writer, console).await
}

async fn pods_of(cluster: &Cluster, namespace: &str, service: &str) -> Result<Vec<Pod>, Failure> {
    let pods = cluster.pods(namespace, service).await;
    pods.map_err(|error| Failure::Other(explain(&error)))
}

fn seconds(duration: std::time::Duration) -> i64 {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i64::try_from(whole).unwrap_or(i64::MAX)
}

/// Fails unless the service has this component.
fn known(component: &str, spec: &Value) -> Result<(), Failure> {
    let components = spec["components"].as_array().into_iter().flatten();
    let names: Vec<_> = components.filter_map(|it| it["name"].as_str()).collect();
    match names.contains(&component) {
        true => Ok(()),
        false => Err(Failure::Usage(format!(
            "the service has no component {component:?}; it has {}",
            names.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_component_that_is_not_there_is_told_with_those_that_are() {
        let spec = json!({"components": [{"name": "web"}, {"name": "auth"}]});
        assert!(known("auth", &spec).is_ok());
        let message = known("wbe", &spec).unwrap_err().message();
        assert_eq!(message, "the service has no component \"wbe\"; it has web, auth");
    }

    #[test]
    fn a_part_of_a_second_counts_as_a_whole_one() {
        assert_eq!(seconds(std::time::Duration::from_millis(1500)), 2);
        assert_eq!(seconds(std::time::Duration::from_secs(60)), 60);
    }
}
