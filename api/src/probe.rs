//! Probes of a component by HTTP, and which component one reaches: those of a pod answer on one port, each its own paths.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::route::{Route, Segment, canonical};
use crate::schema::{HEADER_NAME, PROBE_PATH};
use crate::{Trigger, rules};

/// A request that kubelet makes, as `httpGet` of a container. `shoal up` makes none.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// The request. An answer from 200 to 399 is a success.
    pub http_get: ProbeRequest,
    /// Seconds before the first probe. Absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub initial_delay_seconds: Option<i32>,
    /// Seconds from probe to probe. Absent: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub period_seconds: Option<i32>,
    /// Seconds until a probe has failed. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub timeout_seconds: Option<i32>,
    /// Successes in a row after a failure. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub success_threshold: Option<i32>,
    /// Failures in a row that count. Absent: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub failure_threshold: Option<i32>,
}

/// A request of a probe. Its port is the pod's.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeRequest {
    /// The path, with its query if it has one. An HTTP trigger of the component has to answer it.
    #[schemars(length(min = 1, max = 1024), regex(pattern = PROBE_PATH))]
    #[x_kube(validation = rules::normalised())]
    pub path: String,
    /// Headers of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub http_headers: Vec<ProbeHeader>,
}

/// A header of a probe's request.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeHeader {
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = HEADER_NAME))]
    pub name: String,
    /// Its value.
    #[schemars(length(max = 4096))]
    pub value: String,
}

/// The trigger that answers a path, whose query does not matter.
pub fn answering<'a>(triggers: &'a [Trigger], path: &str) -> Option<&'a Trigger> {
    let path = path.split('?').next().unwrap_or_default();
    let path = canonical(path);
    let segments: Vec<_> = path.split('/').filter(|it| !it.is_empty()).collect();
    let fitting = triggers.iter().filter_map(|trigger| {
        let route = Route::of(trigger.http.as_ref()?).ok()?;
        Some((fit(&route, &segments)?, trigger))
    });
    fitting
        .max_by(|(one, _), (other, _)| one.cmp(other))
        .map(|(_, it)| it)
}

/// How well a route fits: a text of a segment better than any segment, from the first on, then more segments, then no others behind.
/// None where it does not.
fn fit(route: &Route, path: &[&str]) -> Option<(Vec<bool>, bool)> {
    if route.segments.len() > path.len() || (route.exact && route.segments.len() < path.len()) {
        return None;
    }
    let segments = route
        .segments
        .iter()
        .zip(path)
        .map(|(segment, text)| match segment {
            Segment::Literal(literal) => (literal == text).then_some(true),
            Segment::Parameter(_) => Some(false),
        });
    Some((segments.collect::<Option<_>>()?, route.exact))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PathType;
    use crate::route::tests::trigger;

    #[test]
    fn a_path_is_answered_by_the_route_that_fits_best() {
        let trigger = |path, path_type| trigger(path, path, path_type);
        let triggers = [
            trigger("/api", PathType::Prefix),
            trigger("/api/:version/health", PathType::Prefix),
            trigger("/api/v1", PathType::Prefix),
            trigger("/ready", PathType::Exact),
        ];
        let found = |path| answering(&triggers, path).map(|it| it.name.as_str());
        for (path, name) in [
            ("/api", Some("/api")),
            ("/api/", Some("/api")),
            ("/api/other", Some("/api")),
            ("/api/v2/health?deep=1", Some("/api/:version/health")),
            ("/api/v1/health", Some("/api/v1")),
            ("/%61pi/v1", Some("/api/v1")),
            ("/ready", Some("/ready")),
            ("/ready/now", None),
            ("/apis", None),
            ("/", None),
        ] {
            assert_eq!(found(path), name, "{path}");
        }
    }
}
