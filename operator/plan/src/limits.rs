//! The limits that a pod names beside the figures of its containers.

use shoal_api::resources::{self, MEMORY};
use shoal_api::{Component, Duration, Limits};

use crate::pod::Role;

/// The longest time that a limit may say: what the shim takes where a component that runs once has no limits.
const RUN_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The limits that a pod has to name. None where the shim comes to the same by itself: it has the same defaults, takes the container's
/// memory for an instance's, and gives a component that runs once no limit of time.
pub(crate) fn of(component: &Component, role: Role<'_>) -> Option<Limits> {
    let own = &component.limits;
    if *own != Limits::default() {
        return Some(own.clone());
    }
    let counted = resources::of(component)
        .limits
        .and_then(|mut it| it.remove(MEMORY));
    let counted = counted.and_then(|it| resources::parsed(MEMORY, &it.0));
    if counted == Some(own.memory.bytes()) {
        return None;
    }
    Some(match role {
        Role::Serve => own.clone(),
        Role::Job | Role::Run(_) => Limits {
            request_timeout: RUN_LIMIT,
            cpu_time: RUN_LIMIT,
            ..own.clone()
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::service;

    fn component(more: &str) -> Component {
        let mut service = service(&format!(
            "components: [{{name: a, image: r.example/a:1, {more}}}]"
        ));
        service.spec.components.remove(0)
    }

    #[test]
    fn what_is_counted_is_not_what_an_instance_may_take() {
        let named = |more: &str, role| of(&component(more), role);
        assert_eq!(named("", Role::Serve), None);
        assert_eq!(named("resources: {requests: {memory: 32Mi}}", Role::Job), None);
        let more = "resources: {limits: {memory: 1Gi}}";
        assert_eq!(named(more, Role::Serve), Some(Limits::default()));
        let run = named(more, Role::Job).unwrap();
        assert_eq!(run.memory, Limits::default().memory);
        assert_eq!((run.request_timeout, run.cpu_time), (RUN_LIMIT, RUN_LIMIT));
        let own = named("limits: {memory: 8Mi}", Role::Job).unwrap();
        assert_eq!(own.request_timeout, Limits::default().request_timeout);
    }
}
