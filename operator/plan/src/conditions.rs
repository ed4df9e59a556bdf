//! The types and reasons of a service's conditions: the one place that spells them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use shoal_api::pod::StartErrorKind;

use crate::verdict::{Cause, Failure, any};

/// What is said of a service, in the order in which it has to come true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// The spec can be carried out.
    Accepted,
    /// Each image was resolved to a digest.
    ArtifactsResolved,
    /// Each import that carries authority is granted.
    CapabilitiesGranted,
    /// Each link leads to somebody.
    LinksResolved,
    /// Somebody answers, of whatever revision.
    Available,
    /// All replicas see the same in each store. Said of services with a store in memory alone, and no part of `Ready`.
    StoresConsistent,
    /// All of the others but `StoresConsistent`, and the current revision is rolled out: kstatus' summary.
    Ready,
}

impl Type {
    /// As a manifest's reader sees it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::ArtifactsResolved => "ArtifactsResolved",
            Self::CapabilitiesGranted => "CapabilitiesGranted",
            Self::LinksResolved => "LinksResolved",
            Self::Available => "Available",
            Self::StoresConsistent => "StoresConsistent",
            Self::Ready => "Ready",
        }
    }
}

/// Why a condition is as it is; for programs. The message is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Accepted: nothing stands against it.
    Valid,
    /// Accepted, Ready: the spec asks for what a cluster does not run yet.
    NotSupported,
    /// Accepted, Ready: an object of a name that the service needs is somebody else's.
    NameTaken,
    /// Accepted, Ready: the API server does not take an object that the service needs.
    Refused,
    /// ArtifactsResolved: all digests are known.
    Resolved,
    /// ArtifactsResolved, Ready: a registry did not give a digest.
    ResolveFailed,
    /// CapabilitiesGranted: the components run.
    Granted,
    /// CapabilitiesGranted, Ready: a component imports what it was not granted.
    NotGranted,
    /// LinksResolved: no component asks for one.
    NoLinks,
    /// LinksResolved: the components are one.
    Linked,
    /// LinksResolved, Ready: components that are linked do not fit together.
    NotLinked,
    /// Available: at least one pod is ready.
    PodsReady,
    /// Available: none is.
    NoPodReady,
    /// Available: somebody has scaled it to 0.
    ScaledToZero,
    /// Available: it is run, not called.
    NotServing,
    /// Ready: the current revision answers.
    RolledOut,
    /// Ready: a CronJob of the current revision is there for each schedule.
    Scheduled,
    /// Ready: it is on its way.
    Progressing,
    /// Ready: pods of the current revision can't start.
    PodsFailing,
    /// Ready: somebody has put a container into its pods that is no component.
    ContainerInjected,
    /// Ready: an admission controller, such as a quota, does not let its pods be made.
    PodsRefused,
    /// Ready: they did not become ready in time, and don't say why.
    ProgressDeadlineExceeded,
    /// Ready: it was run, to its end.
    Completed,
    /// Ready: its run failed.
    JobFailed,
    /// StoresConsistent: all that serves has the same contents.
    OneReplica,
    /// StoresConsistent: each replica has a store in memory for itself.
    MemoryPerReplica,
    /// Something that comes before it is not true yet.
    Pending,
}

impl Reason {
    /// Why pods that fail like that are not ready: the one place that says which kind of a node's is which reason.
    pub(crate) fn of_failures<'a>(failures: impl IntoIterator<Item = &'a Failure>) -> Self {
        let failures: Vec<_> = failures.into_iter().collect();
        let any = |kind| any(failures.iter().copied(), kind);
        if any(StartErrorKind::NotGranted) {
            Self::NotGranted
        } else if any(StartErrorKind::NotLinked) {
            Self::NotLinked
        } else if failures.iter().any(|it| it.cause == Cause::Injected) {
            Self::ContainerInjected
        } else if !failures.is_empty() && failures.iter().all(|it| it.cause == Cause::Refused) {
            Self::PodsRefused
        } else {
            Self::PodsFailing
        }
    }

    /// As it stands in a condition.
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

/// Why a spec is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

/// True, false, or not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    True,
    False,
    Unknown,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// What is said of one condition.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) state: State,
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

pub(crate) fn said(state: State, reason: Reason, message: impl Into<String>) -> Said {
    let message = message.into();
    Said {
        state,
        reason,
        message,
    }
}

/// Kubernetes takes no longer message.
const LONGEST: usize = 32_768;

/// The condition, which changed now unless it says what it said before.
pub(crate) fn condition(
    type_: Type,
    said: Said,
    before: &[Condition],
    generation: Option<i64>,
    now: &Time,
) -> Condition {
    let before = before.iter().find(|it| it.type_ == type_.name());
    let since = before
        .filter(|it| it.status == said.state.name())
        .map(|it| it.last_transition_time.clone());
    let end = said.message.floor_char_boundary(LONGEST);
    Condition {
        type_: type_.name().to_owned(),
        status: said.state.name().to_owned(),
        reason: said.reason.name(),
        message: said.message.get(..end).unwrap_or_default().to_owned(),
        observed_generation: generation,
        last_transition_time: since.unwrap_or_else(|| now.clone()),
    }
}
