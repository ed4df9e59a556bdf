//! Who leads: decisions about a Lease (coordination.k8s.io/v1). Asking for it is in `leader`. As in client-go, a lease has expired
//! when nobody was seen to renew it for its whole duration by the clock of the one who looks: clocks of machines differ.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use std::time::{Duration, Instant};

/// What was last seen of a lease, and since when it has looked so.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    record: Option<(Option<String>, Option<MicroTime>)>,
    since: Option<Instant>,
}

/// What to do about a lease.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// Write this, on condition that nobody has written since.
    Take(LeaseSpec),
    /// Somebody else holds it.
    Wait,
}

/// Looks at the lease as it is now.
pub(crate) fn step(
    lease: &Lease,
    me: &str,
    duration: Duration,
    seen: &mut Seen,
    clock: Instant,
    now: MicroTime,
) -> Step {
    let spec = lease.spec.clone().unwrap_or_default();
    let record = (spec.holder_identity.clone(), spec.renew_time.clone());
    if seen.record.as_ref() != Some(&record) {
        seen.record = Some(record);
        seen.since = Some(clock);
    }
    let holder = spec.holder_identity.as_deref().filter(|it| !it.is_empty());
    let lasts = spec.lease_duration_seconds.and_then(|it| u64::try_from(it).ok());
    let lasts = lasts.map_or(duration, Duration::from_secs);
    let expired = seen
        .since
        .is_none_or(|since| clock.duration_since(since) >= lasts);
    let mine = holder == Some(me);
    if holder.is_some() && !mine && !expired {
        return Step::Wait;
    }
    let transitions = spec.lease_transitions.unwrap_or(0);
    Step::Take(LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: Some(i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)),
        acquire_time: if mine {
            spec.acquire_time
        } else {
            Some(now.clone())
        },
        renew_time: Some(now),
        lease_transitions: Some(if mine {
            transitions
        } else {
            transitions.saturating_add(1)
        }),
        ..LeaseSpec::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Duration = Duration::from_secs(15);

    fn time(second: u32) -> MicroTime {
        serde_json::from_value(serde_json::json!(format!("2026-01-01T00:00:{second:02}.000000Z"))).unwrap()
    }

    fn held(by: &str, renewed: u32) -> Lease {
        Lease {
            spec: Some(LeaseSpec {
                holder_identity: Some(by.to_owned()),
                lease_duration_seconds: Some(15),
                renew_time: Some(time(renewed)),
                lease_transitions: Some(3),
                ..LeaseSpec::default()
            }),
            ..Lease::default()
        }
    }

    #[test]
    fn a_lease_is_taken_when_it_was_not_renewed_for_as_long_as_it_lasts_by_our_own_clock() {
        let (mut seen, began) = (Seen::default(), Instant::now());
        let mut at = |lease: &Lease, after: u64| {
            let clock = began + Duration::from_secs(after);
            step(lease, "b", LASTS, &mut seen, clock, time(59))
        };
        assert_eq!(
            at(&held("a", 0), 0),
            Step::Wait,
            "however old its time says it is"
        );
        assert_eq!(at(&held("a", 0), 14), Step::Wait);
        assert_eq!(at(&held("a", 9), 15), Step::Wait, "it was renewed");
        assert_eq!(at(&held("a", 9), 29), Step::Wait);
        let Step::Take(spec) = at(&held("a", 9), 30) else {
            panic!("it has expired")
        };
        assert_eq!(spec.holder_identity.as_deref(), Some("b"));
        assert_eq!(spec.lease_transitions, Some(4));
        assert_eq!(spec.acquire_time, Some(time(59)));
    }

    #[test]
    fn one_that_is_free_or_ours_is_taken_at_once() {
        let take = |lease: &Lease| step(lease, "b", LASTS, &mut Seen::default(), Instant::now(), time(1));
        assert!(matches!(take(&Lease::default()), Step::Take(_)));
        assert!(matches!(take(&held("", 0)), Step::Take(_)));
        let Step::Take(spec) = take(&held("b", 0)) else {
            panic!("it is ours")
        };
        assert_eq!(spec.lease_transitions, Some(3), "to renew is no transition");
    }
}
