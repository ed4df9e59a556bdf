//! Where a service runs and in how many replicas. Who decides is the operator.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules;
use crate::schema::{CPU, LABEL};

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
    "!has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
    "minReplicas is larger than maxReplicas: lower the one or raise the other"
))]
pub struct Scaling {
    /// The fewest replicas; `kubectl scale` writes it. 0: the service may be packed, where it costs next to nothing; one that is
    /// dedicated has at least one replica.
    #[serde(default = "min_replicas")]
    #[schemars(range(min = 0, max = 10000))]
    pub min_replicas: u32,
    /// The most replicas. Absent: as many as minReplicas, always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_replicas: Option<u32>,
    /// CPU time that a replica should use on average, in cores (`1`) or thousandths (`250m`): between minReplicas and maxReplicas
    /// the number of replicas follows it.
    #[serde(default = "target_cpu", rename = "targetCPU")]
    #[schemars(length(min = 1, max = 8), regex(pattern = CPU))]
    pub target_cpu: String,
    /// Requests at once above which a packed service is given replicas of its own.
    #[serde(default = "target_concurrency")]
    #[schemars(range(min = 1, max = 100_000))]
    pub target_concurrency: u32,
}

impl Default for Scaling {
    fn default() -> Self {
        Self {
            min_replicas: min_replicas(),
            max_replicas: None,
            target_cpu: target_cpu(),
            target_concurrency: target_concurrency(),
        }
    }
}

fn min_replicas() -> u32 {
    0
}

fn target_cpu() -> String {
    "500m".to_owned()
}

fn target_concurrency() -> u32 {
    100
}
