//! What pods are printing: each container that starts gets a reader of its own, whichever pod it is in.

use super::Wanted;
use super::line::{Line, Origin, Writer};
use super::read::lines;
use crate::Outcome;
use crate::cluster::fatal;
use crate::failure::Failure;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::api::LogParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, ResourceExt};
use shoal_api::labels;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{Sender, channel};

/// Lines that wait to be written; then the readers wait.
const WAITING: usize = 1024;
/// What the API server's times are counted in.
const SECOND: Duration = Duration::from_secs(1);
/// Between two attempts to read on where a connection ended.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes what is printed, until the command is ended.
pub(super) async fn follow(
    pods: &Api<Pod>,
    service: &str,
    wanted: &Wanted,
    writer: &mut Writer<'_>,
) -> Outcome {
    let (sender, mut receiver) = channel(WAITING);
    let config = Config::default().labels(&labels::all_pods(service));
    let mut events = pin!(watcher(pods.clone(), config).default_backoff());
    let mut seen = Seen::default();
    // Those that are there from the start were asked about with --since and --tail; of those that come later, all is new.
    let mut past = wanted.past.clone();
    let mut lines = Vec::new();
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(Event::Apply(pod) | Event::InitApply(pod))) => {
                    for (origin, id) in seen.started(&pod, wanted) {
                        let reader = Reader { pods: pods.clone(), origin, id, sender: sender.clone() };
                        tokio::spawn(reader.read(past.clone()));
                    }
                }
                Some(Ok(Event::Delete(pod))) => seen.gone(&pod),
                Some(Ok(Event::InitDone)) => past = LogParams::default(),
                Some(Ok(Event::Init)) => {}
                Some(Err(error)) => if let Some(why) = fatal(&error) {
                    return Err(Failure::Other(why));
                },
                None => return Ok(0),
            },
            _ = receiver.recv_many(&mut lines, WAITING) => {
                for line in lines.drain(..) {
                    writer.line(&line)?;
                }
                writer.flush()?;
            }
        }
    }
}

/// Containers that have a reader, by their pods.
#[derive(Default)]
struct Seen(HashMap<String, HashSet<String>>);

impl Seen {
    /// The containers of a pod that have begun to print since it was last looked at, with their ids.
    fn started(&mut self, pod: &Pod, wanted: &Wanted) -> Vec<(Arc<Origin>, String)> {
        let known = self.0.entry(pod.uid().unwrap_or_default()).or_default();
        let statuses = statuses(pod).iter().filter(|it| wanted.takes(&it.name));
        let origin = |container: &ContainerStatus| Origin {
            pod: pod.name_any(),
            component: container.name.clone(),
        };
        statuses
            .filter_map(|it| Some((it, printing(it)?)))
            .filter(|(_, id)| known.insert((*id).to_owned()))
            .map(|(it, id)| (Arc::new(origin(it)), id.to_owned()))
            .collect()
    }

    fn gone(&mut self, pod: &Pod) {
        self.0.remove(&pod.uid().unwrap_or_default());
    }
}

fn statuses(pod: &Pod) -> &[ContainerStatus] {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|it| it.container_statuses.as_deref());
    statuses.unwrap_or_default()
}

/// The id of a container that prints, or did; none where it waits for its (next) start.
fn printing(container: &ContainerStatus) -> Option<&str> {
    let state = container.state.as_ref()?;
    let begun = state.running.is_some() || state.terminated.is_some();
    container
        .container_id
        .as_deref()
        .filter(|it| begun && !it.is_empty())
}

/// Reads one container to its end.
struct Reader {
    pods: Api<Pod>,
    origin: Arc<Origin>,
    id: String,
    sender: Sender<Line>,
}

impl Reader {
    async fn read(self, past: LogParams) {
        let mut parameters = LogParams { follow: true, ..past };
        let mut printed = Printed::default();
        loop {
            if let Ok(found) = lines(&self.pods, Arc::clone(&self.origin), &parameters).await {
                let mut found = pin!(found);
                while let Some(Ok(line)) = found.next().await {
                    if !printed.is_new(&line) {
                        continue;
                    }
                    if self.sender.send(line).await.is_err() {
                        return;
                    }
                }
            }
            if !self.goes_on().await {
                return;
            }
            // A connection that ended, not the container: from the last line on, which comes once more.
            if let Some(last) = printed.next_connection() {
                parameters = LogParams {
                    follow: true,
                    since_time: Some(last),
                    ..LogParams::default()
                };
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether the container still runs; where nobody knows, it is looked at again.
    async fn goes_on(&self) -> bool {
        match self.pods.get_opt(&self.origin.pod).await {
            Ok(Some(pod)) => statuses(&pod).iter().any(|it| {
                let running = it.state.as_ref().is_some_and(|it| it.running.is_some());
                running && it.container_id.as_deref() == Some(self.id.as_str())
            }),
            Ok(None) => false,
            Err(_) => true,
        }
    }
}

/// When lines were printed, which tell them apart. They need not come in that order: containerd reads what is printed to stdout and to stderr
/// side by side.
#[derive(Default)]
struct Printed {
    now: BTreeSet<Timestamp>,
    /// By connections before this one.
    earlier: BTreeSet<Timestamp>,
}

impl Printed {
    /// Whether no earlier connection had the line.
    fn is_new(&mut self, line: &Line) -> bool {
        let Some(time) = line.time else { return true };
        self.now.insert(time);
        if self.now.len() > WAITING {
            self.now = again(&mut self.now);
        }
        !self.earlier.contains(&time)
    }

    /// From when on the next connection is to read, if anything was printed.
    fn next_connection(&mut self) -> Option<Timestamp> {
        self.earlier.append(&mut self.now);
        self.earlier = again(&mut self.earlier);
        self.earlier.last().copied()
    }
}

/// Those that the API server may send again, which knows whole seconds only.
fn again(times: &mut BTreeSet<Timestamp>) -> BTreeSet<Timestamp> {
    match times.last().copied() {
        Some(last) => times.split_off(&last.saturating_sub(SECOND).unwrap_or(last)),
        None => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests;
