//! What all pods printed so far, in the order in which it was printed.

use super::Wanted;
use super::line::{Line, Origin, Writer};
use super::read::lines;
use crate::Outcome;
use crate::cluster::explain;
use crate::console::Console;
use crate::failure::Failure;
use futures::future::join_all;
use futures::stream::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use std::io;
use std::pin::Pin;
use std::sync::Arc;

type Lines = Pin<Box<dyn Stream<Item = io::Result<Line>> + Send>>;

/// Writes what the pods printed. What can't be read is a warning: the others are still of use.
pub(super) async fn merged(
    pods: &Api<Pod>,
    found: &[Pod],
    wanted: &Wanted,
    writer: &mut Writer<'_>,
    console: &Console,
) -> Outcome {
    let origins = found.iter().flat_map(|pod| containers(pod, wanted));
    let opened = origins.map(|origin| async {
        let told = format!("{}/{}", origin.pod, origin.component);
        match lines(pods, origin, &wanted.past).await {
            Ok(lines) => Some(Box::pin(lines) as Lines),
            Err(error) => {
                console.warn(format!("{told}: {}", explain(&error)));
                None
            }
        }
    });
    let sources = join_all(opened).await.into_iter().flatten().collect();
    merge(sources, |line| writer.line(line)).await?;
    writer.flush()?;
    Ok(0)
}

fn containers(pod: &Pod, wanted: &Wanted) -> Vec<Arc<Origin>> {
    let containers = pod.spec.iter().flat_map(|it| &it.containers);
    let wanted = containers.filter(|it| wanted.takes(&it.name));
    let origin = |component: &str| {
        Arc::new(Origin {
            pod: pod.name_any(),
            component: component.to_owned(),
        })
    };
    wanted.map(|it| origin(&it.name)).collect()
}

/// Takes the earliest of the next lines, again and again. What has no time belongs to the line before it.
async fn merge(
    mut sources: Vec<Lines>,
    mut write: impl FnMut(&Line) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut heads = Vec::new();
    for source in &mut sources {
        heads.push(next(source).await?);
    }
    loop {
        let waiting = heads
            .iter()
            .enumerate()
            .filter_map(|(at, head)| Some((at, head.as_ref()?)));
        let Some((first, _)) = waiting.min_by_key(|(at, line)| (line.time, *at)) else {
            return Ok(());
        };
        let (Some(head), Some(source)) = (heads.get_mut(first), sources.get_mut(first)) else {
            return Ok(());
        };
        if let Some(line) = std::mem::replace(head, next(source).await?) {
            write(&line)?;
        }
    }
}

async fn next(source: &mut Lines) -> Result<Option<Line>, Failure> {
    let line = source.next().await.transpose();
    line.map_err(|error| Failure::Other(format!("the log can't be read on: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_of_several_pods_are_in_the_order_of_time() {
        let source = |pod: &str, lines: &[&str]| -> Lines {
            let origin = Arc::new(Origin {
                pod: pod.to_owned(),
                component: "web".to_owned(),
            });
            let lines: Vec<_> = lines
                .iter()
                .map(|it| Ok(Line::parse(&origin, it.as_bytes())))
                .collect();
            Box::pin(futures::stream::iter(lines))
        };
        let sources = vec![
            source(
                "a",
                &[
                    "2026-01-01T00:00:01Z 1",
                    "2026-01-01T00:00:03Z 3",
                    "rest",
                    "2026-01-01T00:00:04Z 4",
                ],
            ),
            source("b", &[]),
            source("c", &["2026-01-01T00:00:02Z 2", "2026-01-01T00:00:03Z 3"]),
        ];
        let mut seen = Vec::new();
        merge(sources, |line| {
            let second = line.time.map(|it| it.as_second() % 60);
            seen.push((line.origin.pod.clone(), second));
            Ok(())
        })
        .await
        .unwrap();
        let seen: Vec<_> = seen.iter().map(|(pod, second)| (pod.as_str(), *second)).collect();
        assert_eq!(
            seen,
            [
                ("a", Some(1)),
                ("c", Some(2)),
                ("a", Some(3)),
                ("a", None),
                ("c", Some(3)),
                ("a", Some(4))
            ]
        );
    }
}
