//! The labels that mark what belongs to a service on a cluster, and who writes its fields. Names only: who sets them is the
//! operator's, who asks for them the command's.

/// The name of the WasmService, on all that is made for it; but for the pods that a schedule makes: a Service finds its pods by this
/// label, and must find none of these. They have [`APP_NAME`] and [`TRIGGER`].
pub const SERVICE: &str = "shoal.dev/service";
/// The name of the component, where an object belongs to one.
pub const COMPONENT: &str = "shoal.dev/component";
/// The name of the trigger, where an object belongs to one: a schedule's CronJob, its Jobs and their pods.
pub const TRIGGER: &str = "shoal.dev/trigger";
/// The revision that an object was made from, as in `status.revision`.
pub const REVISION: &str = "shoal.dev/revision";

/// Kubernetes' own label for the name of the application: the WasmService again, for tools that know no other.
pub const APP_NAME: &str = "app.kubernetes.io/name";
/// Kubernetes' own label for the tool that manages an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// What [`MANAGED_BY`] says on what the operator made; also its field manager.
pub const OPERATOR: &str = "shoal-operator";
/// The field manager of `shoal deploy`.
pub const CLI: &str = "shoal-cli";

/// Selects all that was made for a service, but for the pods of its schedules.
#[must_use]
pub fn selector(service: &str) -> String {
    format!("{SERVICE}={service}")
}

/// Selects all of a service's pods, those of its schedules too.
#[must_use]
pub fn all_pods(service: &str) -> String {
    format!("{APP_NAME}={service},{MANAGED_BY}={OPERATOR}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_are_in_our_group() {
        for label in [SERVICE, COMPONENT, TRIGGER, REVISION] {
            assert_eq!(
                label.split_once('/').map(|it| it.0),
                Some(crate::GROUP),
                "{label}"
            );
        }
        assert_eq!(selector("greeter"), "shoal.dev/service=greeter");
        assert_eq!(
            all_pods("greeter"),
            "app.kubernetes.io/name=greeter,app.kubernetes.io/managed-by=shoal-operator"
        );
    }
}
