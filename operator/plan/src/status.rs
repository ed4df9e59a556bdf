//! What is said of a service: its conditions, its address, what runs. After kstatus' conventions: Ready is true for the generation
//! that `observedGeneration` names once all of it is done.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::api::batch::v1::Job;
use shoal_api::pod::StartErrorKind;
use shoal_api::{WasmService, WasmServiceStatus, divided_stores, labels};

use crate::artifacts::Artifacts;
use crate::conditions::{Reason, Refusal, Said, State, Type, condition, said};
use crate::parts::{deployed, deploys, schedules, serves};
use crate::pod::revision;
use crate::runs::Schedule;
use crate::verdict::{Failure, failures};
use crate::{
    Kind, Object, Observed, Options, meta, place, refused, revision as revisions, runs, scaling, schedule,
};

pub(crate) fn of(
    service: &WasmService,
    observed: &Observed,
    options: &Options,
    refusal: Option<Refusal>,
    artifacts: &Artifacts,
    objects: Option<&[Object]>,
) -> WasmServiceStatus {
    let before = service.status.clone().unwrap_or_default();
    let name = meta::name(service);
    let wanted = objects.and_then(wanted);
    let mut failures = wanted
        .as_deref()
        .map_or(Vec::new(), |it| failures(service, &observed.pods, it));
    failures.extend(wanted.as_deref().and_then(|it| refused(service, observed, it)));
    let schedules = objects.map_or(Vec::new(), |it| runs::of(service, observed, it));
    let progress = progress(service, observed, wanted.as_deref(), &failures, &schedules);
    let failed = artifacts.failures();
    let replicas = observed
        .workload
        .deployment
        .as_ref()
        .and_then(|it| it.status.as_ref());
    let serving = serves(service);

    let accepted = match &refusal {
        None => said(State::True, Reason::Valid, ""),
        Some(refusal) => said(State::False, refusal.reason, refusal.message.clone()),
    };
    let resolved = if !failed.is_empty() {
        said(State::False, Reason::ResolveFailed, failed.join("; "))
    } else if artifacts.digests().is_some() {
        said(State::True, Reason::Resolved, "")
    } else {
        said(State::Unknown, Reason::Pending, "")
    };
    let granted = granted(&failures, &schedules, &progress);
    let linked = linked(service, &failures, &schedules, &granted);
    let available = available(service, observed, replicas);
    let ready = [&accepted, &resolved]
        .into_iter()
        .find(|it| it.state != State::True)
        .cloned();
    let ready = ready.unwrap_or_else(|| progress.clone());
    let done = ready.state == State::True;

    let consistent = consistent(service, observed).map(|it| (Type::StoresConsistent, it));
    let said = [
        (Type::Accepted, accepted),
        (Type::ArtifactsResolved, resolved),
        (Type::CapabilitiesGranted, granted),
        (Type::LinksResolved, linked),
        (Type::Available, available),
        (Type::Ready, ready),
    ];
    let generation = service.metadata.generation;
    let conditions = said
        .into_iter()
        .chain(consistent)
        .map(|(type_, said)| condition(type_, said, &before.conditions, generation, &observed.now));
    WasmServiceStatus {
        observed_generation: generation,
        conditions: conditions.collect(),
        url: serving.then(|| {
            let namespace = service.metadata.namespace.as_deref().unwrap_or("default");
            format!("http://{name}.{namespace}.svc.{}", options.cluster_domain)
        }),
        placement: Some(place::DEDICATED.to_owned()),
        replicas: Some(replicas.and_then(|it| it.replicas).unwrap_or(0)),
        scaled_by: deploys(service).then(|| scaling::decider(service, observed).name()),
        // What serves is the last that was rolled out.
        revision: if done {
            wanted.or_else(|| runs_of(&schedules))
        } else {
            before.revision
        },
        components: artifacts.status(),
        selector: Some(labels::selector(&name)),
    }
}

/// That pods of the revision that should run were refused.
fn refused(service: &WasmService, observed: &Observed, wanted: &str) -> Option<Failure> {
    if deploys(service) {
        let deployment = observed.workload.deployment.as_ref();
        return deployment.and_then(refused::of_deployment);
    }
    let job = current(&observed.workload.jobs, wanted)?;
    refused::of_job(observed, job.metadata.name.as_deref()?, wanted)
}

/// The revision of a service that has schedules alone.
fn runs_of(schedules: &[Schedule]) -> Option<String> {
    let all: Vec<_> = schedules.iter().map(|it| it.revision.as_str()).collect();
    match all.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        several => Some(revisions::over(several)),
    }
}

/// The revision that should run.
fn wanted(objects: &[Object]) -> Option<String> {
    let workload = objects
        .iter()
        .find(|it| matches!(it.kind, Kind::Deployment | Kind::Job))?;
    let labels = &workload.body["spec"]["template"]["metadata"]["labels"];
    labels[labels::REVISION].as_str().map(str::to_owned)
}

/// What nodes say that did not start a container for this reason.
fn not_started<'a>(
    failures: &'a [Failure],
    schedules: &'a [Schedule],
    kind: StartErrorKind,
) -> Option<String> {
    let all = failures
        .iter()
        .chain(schedules.iter().flat_map(Schedule::not_started));
    let of_kind: Vec<_> = all
        .filter(|it| it.kind == Some(kind))
        .map(|it| it.text.as_str())
        .collect();
    (!of_kind.is_empty()).then(|| of_kind.join("; "))
}

fn linked(service: &WasmService, failures: &[Failure], schedules: &[Schedule], granted: &Said) -> Said {
    if service.spec.components.iter().all(|it| it.links.is_empty()) {
        return said(State::True, Reason::NoLinks, "");
    }
    if let Some(misfit) = not_started(failures, schedules, StartErrorKind::NotLinked) {
        return said(State::False, Reason::NotLinked, misfit);
    }
    // Nodes compose what is linked before they look at what it may do.
    match granted.state {
        State::True => said(State::True, Reason::Linked, ""),
        State::False | State::Unknown => said(State::Unknown, Reason::Pending, ""),
    }
}

fn granted(failures: &[Failure], schedules: &[Schedule], progress: &Said) -> Said {
    if let Some(denied) = not_started(failures, schedules, StartErrorKind::NotGranted) {
        said(State::False, Reason::NotGranted, denied)
    } else if schedules.iter().any(|it| !it.has_run()) {
        said(
            State::Unknown,
            Reason::Pending,
            "the first run of each schedule shows it",
        )
    } else if progress.state == State::True {
        said(State::True, Reason::Granted, "")
    } else {
        said(State::Unknown, Reason::Pending, "")
    }
}

fn available(service: &WasmService, observed: &Observed, replicas: Option<&DeploymentStatus>) -> Said {
    let ready = replicas.and_then(|it| it.available_replicas).unwrap_or(0);
    let made = |name: String| {
        let mut cron_jobs = observed.workload.cron_jobs.iter();
        cron_jobs.any(|it| it.metadata.name.as_ref() == Some(&name))
    };
    let mut triggers = schedules(service);
    let missing = triggers.any(|it| !made(schedule::name(&meta::name(service), &it.name)));
    match (deploys(service), ready) {
        (false, _) if missing => said(State::False, Reason::Pending, "not all of its CronJobs are there"),
        (false, _) => said(State::True, Reason::NotServing, ""),
        (true, 0) => match scaling::off(service, observed) {
            Some(decider) => {
                let message = format!("it is scaled to 0: {} decides", decider.name());
                said(State::False, Reason::ScaledToZero, message)
            }
            None => said(State::False, Reason::NoPodReady, "no pod is ready"),
        },
        (true, _) => said(State::True, Reason::PodsReady, ""),
    }
}

/// Whether all replicas have the same stores. None where nothing is kept in memory.
fn consistent(service: &WasmService, observed: &Observed) -> Option<Said> {
    let deployed = deploys(service).then(|| deployed(service))?;
    // As if there were two.
    if divided_stores(&deployed, 2).is_empty() {
        return None;
    }
    let deployment = observed.workload.deployment.as_ref();
    let now = deployment.and_then(|it| it.spec.as_ref()?.replicas).unwrap_or(1);
    let scaling = &service.spec.scaling;
    let most = scaling.max_replicas.unwrap_or(scaling.min_replicas);
    let divided = divided_stores(&deployed, most.max(now.unsigned_abs()));
    let texts: Vec<_> = divided.iter().map(ToString::to_string).collect();
    Some(match texts.as_slice() {
        [] => said(State::True, Reason::OneReplica, ""),
        texts => said(State::False, Reason::MemoryPerReplica, texts.join("; ")),
    })
}

/// How far the revision that should run has come.
fn progress(
    service: &WasmService,
    observed: &Observed,
    wanted: Option<&str>,
    failures: &[Failure],
    schedules: &[Schedule],
) -> Said {
    let pods = wanted.map(|wanted| {
        if deploys(service) {
            rollout(service, observed, wanted, failures)
        } else {
            run(&observed.workload.jobs, wanted, failures)
        }
    });
    match (pods, runs::progress(schedules)) {
        (Some(pods), Some(runs)) if pods.state == State::True && runs.state == State::True => Said {
            message: runs.message,
            ..pods
        },
        (Some(pods), Some(runs)) if pods.state == State::True => runs,
        (Some(said), _) | (None, Some(said)) => said,
        (None, None) => said(State::Unknown, Reason::Pending, ""),
    }
}

fn rollout(service: &WasmService, observed: &Observed, wanted: &str, failures: &[Failure]) -> Said {
    let template = |it: &Deployment| {
        let template = it.spec.as_ref().map(|spec| &spec.template);
        revision(template.and_then(|it| it.metadata.as_ref())) == Some(wanted)
    };
    let deployment = observed.workload.deployment.as_ref();
    let Some(deployment) = deployment.filter(|it| template(it)) else {
        return said(State::False, Reason::Progressing, "its pods are to be made");
    };
    let spec = deployment.spec.as_ref().and_then(|it| it.replicas).unwrap_or(1);
    // Where somebody else decides, what is there is what should be.
    let asked = scaling::desired(service, observed).unwrap_or(spec);
    let status = deployment.status.clone().unwrap_or_default();
    let seen = status.observed_generation >= deployment.metadata.generation;
    let [updated, available, all] = [
        status.updated_replicas,
        status.available_replicas,
        status.replicas,
    ]
    .map(|it| it.unwrap_or(0));
    if seen && updated >= asked && available >= asked && all == updated {
        return said(State::True, Reason::RolledOut, "");
    }
    if !failures.is_empty() {
        return failing(failures, "the last revision that was ready goes on serving");
    }
    let late = status
        .conditions
        .iter()
        .flatten()
        .find(|it| it.type_ == "Progressing" && it.reason.as_deref() == Some("ProgressDeadlineExceeded"));
    if let Some(late) = late.filter(|_| seen) {
        let message = late.message.clone().unwrap_or_default();
        return said(State::False, Reason::ProgressDeadlineExceeded, message);
    }
    let message = format!(
        "{} of {asked} pods of the current revision are ready",
        updated.min(available)
    );
    said(State::False, Reason::Progressing, message)
}

/// The Job of a revision.
fn current<'a>(jobs: &'a [Job], wanted: &str) -> Option<&'a Job> {
    jobs.iter().find(|job| {
        let template = job.spec.as_ref().and_then(|it| it.template.metadata.as_ref());
        revision(template) == Some(wanted)
    })
}

fn run(jobs: &[Job], wanted: &str, failures: &[Failure]) -> Said {
    let Some(job) = current(jobs, wanted) else {
        return said(State::False, Reason::Progressing, "its pod is to be made");
    };
    let conditions = job.status.as_ref().and_then(|it| it.conditions.as_ref());
    let holds = |type_: &str| {
        let mut conditions = conditions.into_iter().flatten();
        conditions.find(|it| it.type_ == type_ && it.status == "True")
    };
    if holds("Complete").is_some() {
        return said(State::True, Reason::Completed, "");
    }
    if let Some(failed) = holds("Failed") {
        let texts: Vec<_> = failures.iter().map(|it| it.text.clone()).collect();
        let message = if texts.is_empty() {
            failed.message.clone().unwrap_or_default()
        } else {
            texts.join("; ")
        };
        return said(State::False, Reason::JobFailed, message);
    }
    if failures.is_empty() {
        said(State::False, Reason::Progressing, "it runs")
    } else {
        failing(failures, "it is tried again")
    }
}

fn failing(failures: &[Failure], meanwhile: &str) -> Said {
    let texts: Vec<_> = failures.iter().map(|it| it.text.as_str()).collect();
    let message = format!("{}; {meanwhile}", texts.join("; "));
    said(State::False, Reason::of_failures(failures), message)
}
