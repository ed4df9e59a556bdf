//! What is known of a service's schedules: whether their CronJobs are there, and what the last run of each came to. Only what went wrong
//! is said, so that a service whose runs go well is not written to at each of them.

use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::Pod;
use shoal_api::{WasmService, labels};

use crate::conditions::{Reason, Said, State, said};
use crate::pod::revision;
use crate::verdict::{Cause, Failure, of_pod};
use crate::{Kind, Object, Observed, refused};

/// A schedule.
pub(crate) struct Schedule {
    /// The trigger's name.
    trigger: String,
    /// The name of its CronJob.
    name: String,
    /// The revision that should run.
    pub(crate) revision: String,
    /// Whether a CronJob of that revision is there.
    made: bool,
    /// What its last run came to; none where there was none of that revision.
    last: Option<Vec<Failure>>,
    /// When a run last went well, of whatever revision.
    success: Option<String>,
}

/// All that `objects` has.
pub(crate) fn of(service: &WasmService, observed: &Observed, objects: &[Object]) -> Vec<Schedule> {
    let planned = objects.iter().filter(|it| it.kind == Kind::CronJob);
    planned.map(|planned| one(service, observed, planned)).collect()
}

fn one(service: &WasmService, observed: &Observed, planned: &Object) -> Schedule {
    let template = &planned.body["spec"]["jobTemplate"]["spec"]["template"];
    let labels = &template["metadata"]["labels"];
    let label = |name: &str| labels[name].as_str().unwrap_or_default().to_owned();
    let wanted = label(labels::REVISION);
    let mut live = observed.workload.cron_jobs.iter();
    let live = live.find(|it| it.metadata.name.as_deref() == Some(planned.name.as_str()));
    let success = live
        .and_then(|it| it.status.as_ref())
        .and_then(|it| it.last_successful_time.as_ref());
    Schedule {
        trigger: label(labels::TRIGGER),
        name: planned.name.clone(),
        made: live.and_then(revision_of) == Some(wanted.as_str()),
        last: match refused::of_job(observed, &planned.name, &wanted) {
            Some(refused) => Some(vec![refused]),
            None => last(service, &observed.pods, &wanted),
        },
        success: success.map(|it| it.0.to_string()),
        revision: wanted,
    }
}

fn revision_of(cron_job: &CronJob) -> Option<&str> {
    let job = cron_job.spec.job_template.spec.as_ref()?;
    revision(job.template.metadata.as_ref())
}

/// What the newest pod says that has an end, or a reason why it does not start. One that is on its way says nothing of the last run.
fn last(service: &WasmService, pods: &[Pod], wanted: &str) -> Option<Vec<Failure>> {
    let of_wanted = pods.iter().filter(|pod| {
        revision(Some(&pod.metadata)) == Some(wanted) && pod.metadata.deletion_timestamp.is_none()
    });
    let told = of_wanted.filter_map(|pod| {
        let status = pod.status.as_ref()?;
        let mut failures = of_pod(service, pod);
        match status.phase.as_deref() {
            Some("Succeeded") => failures.clear(),
            // The node took it away: no container says why.
            Some("Failed") if failures.is_empty() => failures.push(Failure {
                text: [&status.reason, &status.message]
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(": "),
                kind: None,
                ran: true,
                cause: Cause::Pod,
            }),
            _ if failures.is_empty() => return None,
            _ => {}
        }
        Some((pod.metadata.creation_timestamp.as_ref().map(|it| it.0), failures))
    });
    told.max_by_key(|(made, _)| *made).map(|(_, failures)| failures)
}

impl Schedule {
    /// Why its last run did not start.
    pub(crate) fn not_started(&self) -> impl Iterator<Item = &Failure> {
        self.last.iter().flatten().filter(|it| !it.ran)
    }

    /// Whether a run of this revision has started: the node has let it.
    pub(crate) fn has_run(&self) -> bool {
        self.last.is_some() && self.not_started().next().is_none()
    }

    fn failed(&self) -> Option<String> {
        let texts: Vec<_> = self.last.iter().flatten().map(|it| it.text.as_str()).collect();
        let success = match &self.success {
            Some(time) => format!("the last that went well ended at {time}"),
            None => "none went well yet".to_owned(),
        };
        (!texts.is_empty()).then(|| {
            let (trigger, texts) = (&self.trigger, texts.join("; "));
            format!("trigger {trigger}: its last run failed: {texts}; {success}")
        })
    }
}

/// How far the schedules have come: they are ready once their CronJobs are there, and while their runs start. That a program fails is
/// the program's affair, and said beside it. None where there are no schedules.
pub(crate) fn progress(schedules: &[Schedule]) -> Option<Said> {
    if schedules.is_empty() {
        return None;
    }
    let failed: Vec<_> = schedules.iter().filter_map(Schedule::failed).collect();
    let failed = failed.join("; ");
    let not_started: Vec<_> = schedules.iter().flat_map(Schedule::not_started).collect();
    Some(if let Some(missing) = schedules.iter().find(|it| !it.made) {
        let message = format!("CronJob {} is to be made", missing.name);
        said(State::False, Reason::Progressing, message)
    } else if not_started.is_empty() {
        said(State::True, Reason::Scheduled, failed)
    } else {
        said(State::False, Reason::of_failures(not_started), failed)
    })
}
