//! Where a service runs and in how many replicas. Who decides is the operator.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules;
use crate::schema::LABEL;

/// Where a service runs. `shoal up` always runs it in its own process.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Who decides between packed and dedicated.
    #[serde(default)]
    pub mode: PlacementMode,
    /// The services it may share a process with: those of the same trust domain. Absent: the namespace's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL))]
    pub trust_domain: Option<String>,
}

/// Who decides where a service runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PlacementMode {
    /// The operator, by traffic.
    #[default]
    Auto,
    /// In a process with the other services of its trust domain.
    Packed,
    /// In pods of its own.
    Dedicated,
}

/// How many replicas serve, once the service is dedicated.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::rule(
    "self.minReplicas <= self.maxReplicas",
    "minReplicas is larger than maxReplicas: lower the one or raise the other"
))]
pub struct Scaling {
    /// The fewest replicas. 0: the service may be packed, where it costs next to nothing.
    #[serde(default = "min_replicas")]
    #[schemars(range(min = 0, max = 10000))]
    pub min_replicas: u32,
    /// The most replicas.
    #[serde(default = "max_replicas")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_replicas: u32,
    /// Requests at once that a replica should have.
    #[serde(default = "target_concurrency")]
    #[schemars(range(min = 1, max = 100_000))]
    pub target_concurrency: u32,
}

impl Default for Scaling {
    fn default() -> Self {
        Self {
            min_replicas: min_replicas(),
            max_replicas: max_replicas(),
            target_concurrency: target_concurrency(),
        }
    }
}

fn min_replicas() -> u32 {
    0
}

fn max_replicas() -> u32 {
    10
}

fn target_concurrency() -> u32 {
    100
}
