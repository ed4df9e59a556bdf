//! The CronJob of a schedule: Kubernetes' own controller makes one run for each point in time, however many replicas there are.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, JobSpec, JobTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sha2::{Digest, Sha256};
use shoal_api::{ConcurrencyPolicy, ScheduleTrigger, WasmService};

use crate::pod::{Role, template};
use crate::{Observed, Options, meta, parts};

/// No name of a CronJob is longer: its Jobs have the time behind it.
const LONGEST: usize = 52;

/// All of a service's CronJobs.
pub(crate) fn of<'a>(
    service: &'a WasmService,
    digests: &'a BTreeMap<String, String>,
    observed: &'a Observed,
    options: &'a Options,
) -> impl Iterator<Item = CronJob> + 'a {
    let with_times = parts::schedules(service).filter_map(|it| Some((it, it.schedule.as_ref()?)));
    with_times.map(move |(trigger, schedule)| {
        let mut metadata = meta::of(service, name(&meta::name(service), &trigger.name));
        metadata
            .labels
            .get_or_insert_default()
            .extend(meta::trigger(trigger));
        CronJob {
            metadata,
            spec: CronJobSpec {
                job_template: JobTemplateSpec {
                    metadata: Some(ObjectMeta {
                        labels: Some(meta::run_labels(service, trigger)),
                        ..ObjectMeta::default()
                    }),
                    spec: Some(JobSpec {
                        template: template(
                            &parts::run(service, trigger),
                            digests,
                            observed,
                            options,
                            Role::Run(trigger),
                        ),
                        // As everywhere, the next point in time is the next try.
                        backoff_limit: Some(0),
                        ..JobSpec::default()
                    }),
                },
                ..times(schedule)
            },
            status: None,
        }
    })
}

fn times(schedule: &ScheduleTrigger) -> CronJobSpec {
    let policy = match schedule.concurrency_policy {
        ConcurrencyPolicy::Allow => "Allow",
        ConcurrencyPolicy::Forbid => "Forbid",
        ConcurrencyPolicy::Replace => "Replace",
    };
    CronJobSpec {
        schedule: schedule.cron.clone(),
        // Without one it would be that of whatever machine the controller manager runs on.
        time_zone: Some(schedule.time_zone.clone().unwrap_or_else(|| "Etc/UTC".to_owned())),
        concurrency_policy: Some(policy.to_owned()),
        starting_deadline_seconds: schedule.starting_deadline_seconds.map(i64::from),
        ..CronJobSpec::default()
    }
}

/// The name of a trigger's CronJob. One that would be too long is cut, and a hash stands for what is missing.
pub(crate) fn name(service: &str, trigger: &str) -> String {
    let whole = format!("{service}-{trigger}");
    if whole.len() <= LONGEST {
        return whole;
    }
    // No name holds a slash: no other service and trigger have this hash.
    let hash = hex::encode(&Sha256::digest(format!("{service}/{trigger}"))[..4]);
    let end = whole.floor_char_boundary(LONGEST - hash.len() - 1);
    let kept = whole.get(..end).unwrap_or_default();
    format!("{}-{hash}", kept.trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests;
