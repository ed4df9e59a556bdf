//! What a container of a pod asks for: figures for quotas, LimitRanges and the scheduler. What an instance may take is in `limits` of its
//! component, and the host enforces that alone.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::Component;

/// CPU time, in the figures.
pub const CPU: &str = "cpu";
/// Memory, in the figures.
pub const MEMORY: &str = "memory";
/// What a replica costs at rest, rounded up: thousandths of a core, and bytes.
const AT_REST: (u64, u64) = (1, 1 << 20);
/// CPU time that is counted where the manifest says nothing, in thousandths of a core. It throttles nothing: the container has no process.
const CPU_LIMIT: u64 = 100;

/// What a component's container asks for. All four figures are always there. A quota refuses pods that leave out one that it counts, and a LimitRange would fill in a memory
/// limit, which the shim would take for that of an instance.
pub fn of(component: &Component) -> ResourceRequirements {
    let own = component.resources.clone().unwrap_or_default();
    let mut requests = canonical(own.requests);
    let mut limits = canonical(own.limits);
    for (name, at_rest, limit) in [
        (CPU, AT_REST.0, CPU_LIMIT),
        (MEMORY, AT_REST.1, component.limits.memory.bytes()),
    ] {
        let amount = |given: Option<&Quantity>| given.and_then(|it| parsed(name, &it.0));
        // A request above the limit is refused; one that says the limit alone asks for no more than that.
        let least = amount(requests.get(name)).unwrap_or(0);
        let limit = amount(limits.get(name)).unwrap_or(limit.max(least));
        let request = at_rest.min(limit);
        requests
            .entry(name.to_owned())
            .or_insert_with(|| Quantity(written(name, request)));
        limits
            .entry(name.to_owned())
            .or_insert_with(|| Quantity(written(name, limit)));
    }
    ResourceRequirements {
        requests: Some(requests),
        limits: Some(limits),
        claims: None,
    }
}

/// As the API server writes it, so that what is there compares equal to what is wanted.
fn canonical(figures: Option<BTreeMap<String, Quantity>>) -> BTreeMap<String, Quantity> {
    let figures = figures.unwrap_or_default().into_iter();
    let canonical = |(name, Quantity(text)): (String, Quantity)| {
        let text = parsed(&name, &text).map_or(text, |amount| written(&name, amount));
        (name, Quantity(text))
    };
    figures.map(canonical).collect()
}

/// An amount in thousandths of a core, or in bytes. None for what is written in a way that is not known here; it stays as it is.
pub fn parsed(name: &str, text: &str) -> Option<u64> {
    if name != CPU {
        return text.parse::<crate::Quantity>().ok().map(|it| it.bytes());
    }
    if let Some(thousandths) = text.strip_suffix('m') {
        return thousandths.parse().ok();
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = format!("{fraction:0<3}");
    let digits = |text: &str| text.parse::<u64>().ok().filter(|_| !text.starts_with('+'));
    let thousandths = digits(&fraction).filter(|_| fraction.len() == 3)?;
    digits(whole)?.checked_mul(1000)?.checked_add(thousandths)
}

fn written(name: &str, amount: u64) -> String {
    let (factor, suffixes): (u64, &[&str]) = match name {
        CPU => (1000, &["m", ""]),
        _ if amount.is_multiple_of(1024) => (1024, &["", "Ki", "Mi", "Gi", "Ti", "Pi"]),
        _ => (1000, &["", "k", "M", "G", "T", "P"]),
    };
    let (mut amount, mut suffixes) = (amount, suffixes.iter());
    let mut suffix = suffixes.next();
    while amount > 0 && amount.is_multiple_of(factor) {
        let Some(next) = suffixes.next() else { break };
        (amount, suffix) = (amount / factor, Some(next));
    }
    let suffix = if amount == 0 {
        ""
    } else {
        suffix.copied().unwrap_or_default()
    };
    format!("{amount}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(more: &str) -> Component {
        let json = format!("{{name: a, image: r.example/a:1, {more}}}");
        serde_saphyr::from_str(&json).unwrap()
    }

    /// `requests.cpu requests.memory limits.cpu limits.memory`.
    fn figures(more: &str) -> String {
        let resources = of(&component(more));
        let (requests, limits) = (resources.requests.unwrap(), resources.limits.unwrap());
        let figures = [&requests[CPU], &requests[MEMORY], &limits[CPU], &limits[MEMORY]];
        figures.map(|it| it.0.as_str()).join(" ")
    }

    #[test]
    fn all_figures_are_there_and_no_request_is_above_its_limit() {
        for (more, expected) in [
            ("", "1m 1Mi 100m 64Mi"),
            ("limits: {memory: 64Ki}", "1m 64Ki 100m 64Ki"),
            ("limits: {memory: 100M}", "1m 1Mi 100m 100M"),
            ("resources: {requests: {cpu: 10m}}", "10m 1Mi 100m 64Mi"),
            (
                "resources: {requests: {cpu: 250m, memory: 256Mi}}",
                "250m 256Mi 250m 256Mi",
            ),
            ("resources: {limits: {cpu: '2', memory: 0.5Gi}}", "1m 1Mi 2 512Mi"),
            ("resources: {limits: {memory: 512Ki}}", "1m 512Ki 100m 512Ki"),
            (
                "resources: {requests: {cpu: '0.5'}, limits: {cpu: 1000m}}",
                "500m 1Mi 1 64Mi",
            ),
        ] {
            assert_eq!(figures(more), expected, "{more}");
        }
        let other = of(&component(
            "resources: {limits: {ephemeral-storage: 1024Mi, example.com/x: '1e3'}}",
        ));
        let limits = other.limits.unwrap();
        assert_eq!(limits["ephemeral-storage"].0, "1Gi");
        assert_eq!(limits["example.com/x"].0, "1e3");
    }
}
