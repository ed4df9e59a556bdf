//! What a component may spend, and how long an instance lives. Who enforces it is the host.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::{Duration, Quantity, rules};

/// What one component may spend. Every limit has a default; there is no "unlimited".
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Bytes of all memories and tables of an instance together.
    #[serde(default = "memory")]
    #[x_kube(validation = rules::quantity("64Ki", "16Gi"))]
    pub memory: Quantity,
    /// Wall-clock time from a request's first byte to the head of its answer, and from the end of the answer to the end of the call.
    #[serde(default = "request_timeout")]
    #[x_kube(validation = rules::duration("1ms", "24h"))]
    pub request_timeout: Duration,
    /// Time in which some part of a body must move while the answer's body is on its way.
    // Not written where it is the default, so that a pod of a version before it stays as it is.
    #[serde(
        default = "stream_idle_timeout",
        skip_serializing_if = "is_stream_idle_timeout"
    )]
    #[schemars(extend("default" = stream_idle_timeout()))]
    #[x_kube(validation = rules::duration("1ms", "24h"))]
    pub stream_idle_timeout: Duration,
    /// CPU time that one request may take.
    #[serde(default = "cpu_time")]
    #[x_kube(validation = rules::duration("1ms", "24h"))]
    pub cpu_time: Duration,
    /// Instances at once.
    #[serde(default = "concurrency")]
    #[schemars(range(min = 1, max = 10000))]
    pub concurrency: u32,
    /// Requests that wait for an instance; more are answered 503. 0: none waits.
    #[serde(default = "queue_length")]
    #[schemars(range(min = 0, max = 100000))]
    pub queue_length: u32,
    /// Bytes of a request's body.
    #[serde(default = "request_body")]
    #[x_kube(validation = rules::quantity("0", "1Ti"))]
    pub request_body: Quantity,
    /// Bytes of a response's body.
    #[serde(default = "response_body")]
    #[x_kube(validation = rules::quantity("0", "1Ti"))]
    pub response_body: Quantity,
    /// Outgoing connections that an instance may have open at once.
    #[serde(default = "outbound_connections")]
    #[schemars(range(min = 0, max = 1024))]
    pub outbound_connections: u32,
    /// Bytes per second of standard output and error together. At more, a program waits; for others it is dropped and counted.
    #[serde(default = "log_rate")]
    #[x_kube(validation = rules::quantity("0", "1Gi"))]
    pub log_rate: Quantity,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: memory(),
            request_timeout: request_timeout(),
            stream_idle_timeout: stream_idle_timeout(),
            cpu_time: cpu_time(),
            concurrency: concurrency(),
            queue_length: queue_length(),
            request_body: request_body(),
            response_body: response_body(),
            outbound_connections: outbound_connections(),
            log_rate: log_rate(),
        }
    }
}

fn memory() -> Quantity {
    Quantity::from_mebibytes(64)
}

fn request_timeout() -> Duration {
    Duration::from_secs(10)
}

fn stream_idle_timeout() -> Duration {
    Duration::from_secs(60)
}

fn is_stream_idle_timeout(time: &Duration) -> bool {
    *time == stream_idle_timeout()
}

fn cpu_time() -> Duration {
    Duration::from_secs(1)
}

fn concurrency() -> u32 {
    100
}

fn queue_length() -> u32 {
    1000
}

fn request_body() -> Quantity {
    Quantity::from_mebibytes(64)
}

fn response_body() -> Quantity {
    Quantity::from_mebibytes(1024)
}

fn outbound_connections() -> u32 {
    16
}

fn log_rate() -> Quantity {
    Quantity::from_mebibytes(1)
}

/// Several requests for one instance, one after the other.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reuse {
    /// Requests that an instance serves before it is thrown away.
    #[serde(default = "max_requests")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_requests: u32,
    /// How long an instance without a request is kept.
    #[serde(default = "idle_timeout")]
    #[x_kube(validation = rules::duration("1ms", "24h"))]
    pub idle_timeout: Duration,
}

impl Default for Reuse {
    fn default() -> Self {
        Self {
            max_requests: max_requests(),
            idle_timeout: idle_timeout(),
        }
    }
}

fn max_requests() -> u32 {
    128
}

fn idle_timeout() -> Duration {
    Duration::from_secs(10)
}
