//! What the pods of the current revision say of it: the nodes, which have the artifact and the compiler, decide whether a component
//! may run, and kubelet keeps their answer in the pod's status.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use shoal_api::WasmService;
use shoal_api::pod::{NEVER_RAN, StartError, StartErrorKind};

use crate::injected;
use crate::pod::revision;

/// Why a container does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Container, reason and message, for people.
    pub(crate) text: String,
    /// Why the node did not start it, where the node said so. Nothing else that is said of a container has a kind.
    pub(crate) kind: Option<StartErrorKind>,
    /// Whether it ran, and failed then.
    pub(crate) ran: bool,
    /// What it is about.
    pub(crate) cause: Cause,
}

/// What a failure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A pod, or a component in it.
    Pod,
    /// A pod that was not let be made.
    Refused,
    /// A container that is no component.
    Injected,
}

/// Reasons to wait that are no failure.
const WELL: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Ends of a container that never ran, as containerd and kubelet name them.
const NOT_RUN: [&str; 3] = [NEVER_RAN, "ContainerCannotRun", "ContainerStatusUnknown"];

/// The failures of the pods of that revision, each once.
pub(crate) fn failures(service: &WasmService, pods: &[Pod], current: &str) -> Vec<Failure> {
    let of_current = |pod: &&Pod| {
        revision(Some(&pod.metadata)) == Some(current) && pod.metadata.deletion_timestamp.is_none()
    };
    let mut found: Vec<Failure> = Vec::new();
    for pod in pods.iter().filter(of_current) {
        for failure in of_pod(service, pod) {
            if !found.contains(&failure) {
                found.push(failure);
            }
        }
    }
    found
}

/// The failures of a pod.
pub(crate) fn of_pod(service: &WasmService, pod: &Pod) -> Vec<Failure> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let unschedulable = status.conditions.iter().flatten().find(|it| {
        it.type_ == "PodScheduled" && it.status == "False" && it.reason.as_deref() == Some("Unschedulable")
    });
    let unschedulable = unschedulable.map(|condition| Failure {
        text: format!(
            "no node takes its pods: {}",
            condition.message.as_deref().unwrap_or_default()
        ),
        kind: None,
        ran: false,
        cause: Cause::Pod,
    });
    let all = [&status.init_container_statuses, &status.container_statuses];
    let containers = all.into_iter().flatten().flatten();
    let components = containers.filter(|it| !injected::is_injected(service, it));
    let mut found = injected::of_pod(service, pod);
    found.extend(unschedulable);
    found.extend(components.filter_map(of_container));
    found
}

fn of_container(container: &ContainerStatus) -> Option<Failure> {
    let state = container.state.as_ref()?;
    let waiting = state.waiting.as_ref();
    let waiting = waiting.filter(|it| !it.reason.as_deref().is_none_or(|reason| WELL.contains(&reason)));
    let last = container
        .last_state
        .as_ref()
        .and_then(|it| it.terminated.as_ref());
    let ended = state.terminated.as_ref().or(last).filter(|it| it.exit_code != 0);
    // A container that was started again and runs may still be well.
    let failed = waiting.is_some() || state.terminated.as_ref().is_some_and(|it| it.exit_code != 0);
    if !failed {
        return None;
    }
    let said = ended.and_then(start_error);
    let text = match (ended, waiting) {
        (Some(ended), _) => match said {
            Some(StartError { kind, message }) => format!("{}: {}", kind.name(), message.trim()),
            None => {
                let reason = ended.reason.as_deref().unwrap_or("Error");
                with_message(format!("{reason}, exit code {}", ended.exit_code), &ended.message)
            }
        },
        (None, Some(waiting)) => with_message(waiting.reason.clone().unwrap_or_default(), &waiting.message),
        (None, None) => String::new(),
    };
    let ended = state.terminated.as_ref();
    let ran = ended.is_some_and(|it| !NOT_RUN.contains(&it.reason.as_deref().unwrap_or_default()));
    Some(Failure {
        text: format!("component {}: {text}", container.name),
        kind: said.map(|it| it.kind),
        ran,
        cause: Cause::Pod,
    })
}

fn start_error(ended: &ContainerStateTerminated) -> Option<StartError<'_>> {
    StartError::of_terminated(ended.reason.as_deref()?, ended.message.as_deref()?)
}

fn with_message(text: String, message: &Option<String>) -> String {
    match message.as_deref().map(str::trim) {
        None | Some("") => text,
        Some(message) => format!("{text}: {message}"),
    }
}

/// Whether any of them is of that kind.
pub(crate) fn any<'a>(failures: impl IntoIterator<Item = &'a Failure>, kind: StartErrorKind) -> bool {
    failures.into_iter().any(|it| it.kind == Some(kind))
}

#[cfg(test)]
mod tests;
