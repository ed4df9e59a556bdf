//! What calls a service's components, and the stores that they share. How a trigger listens lives in the host.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capability::ValueSource;
use crate::rules;
use crate::schema::{self, LABEL};

/// Something that calls a component. Exactly one of http, redis and schedule.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(
    &["http", "redis", "schedule"],
    "a trigger needs exactly one of http, redis and schedule; http: {} serves every path"
))]
pub struct Trigger {
    /// A name that is unique among the triggers.
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL))]
    pub name: String,
    /// The component that is called.
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL))]
    pub component: String,
    /// HTTP requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpTrigger>,
    /// Messages of Redis channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisTrigger>,
    /// Points in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleTrigger>,
}

/// HTTP requests below a path.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpTrigger {
    /// The prefix, by whole path segments: `/api` matches `/api` and `/api/users`, not `/apis`. The longest wins.
    #[serde(default = "root")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = schema::HTTP_PATH))]
    pub path: String,
}

impl Default for HttpTrigger {
    fn default() -> Self {
        Self { path: root() }
    }
}

fn root() -> String {
    "/".to_owned()
}

/// Messages of Redis channels, each a call.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["url", "urlFrom"], "redis needs exactly one of url and urlFrom"))]
pub struct RedisTrigger {
    /// `redis://host:port`, or `rediss://` for TLS. Exactly one of url and urlFrom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = schema::REDIS_URL))]
    pub url: Option<String>,
    /// Where the URL is read from; the place for one that holds a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_from: Option<ValueSource>,
    /// The channels to subscribe to, at least one.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 253)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub channels: Vec<String>,
}

/// Points in time, each a call.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleTrigger {
    /// Five fields (minute, hour, day of month, month, day of week), as a CronJob's schedule, or `@hourly` and the like.
    #[schemars(length(min = 1, max = 128), regex(pattern = schema::CRON))]
    pub cron: String,
    /// A name of the tz database, such as `Europe/Berlin`. Absent: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        regex(pattern = schema::TIME_ZONE)
    )]
    pub time_zone: Option<String>,
    /// What happens when a call is due while the last one still runs.
    #[serde(default)]
    pub concurrency_policy: ConcurrencyPolicy,
    /// How late a missed call may still start, in seconds. Absent: any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub starting_deadline_seconds: Option<u32>,
}

/// What happens when a call is due while the last one still runs, as for a CronJob.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConcurrencyPolicy {
    /// Both run.
    #[default]
    Allow,
    /// The new call is skipped.
    Forbid,
    /// The old call is stopped.
    Replace,
}

/// A key-value store. Exactly one of memory, persistent and redis.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(
    &["memory", "persistent", "redis"],
    "a store needs exactly one of memory, persistent and redis; memory: {} is the simplest"
))]
pub struct Store {
    /// The name that `capabilities.keyValue[].store` uses.
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL))]
    pub name: String,
    /// In the memory of the process that runs the service; gone with it, and not shared between replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryStore>,
    /// A file on a volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent: Option<PersistentStore>,
    /// A Redis server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisStore>,
}

/// A store in memory.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryStore {}

/// A store in a file on a volume.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersistentStore {
    /// The name of an entry of `spec.volumes`.
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL))]
    pub volume: String,
}

/// A store on a Redis server.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["url", "urlFrom"], "redis needs exactly one of url and urlFrom"))]
pub struct RedisStore {
    /// `redis://host:port`, or `rediss://` for TLS. Exactly one of url and urlFrom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = schema::REDIS_URL))]
    pub url: Option<String>,
    /// Where the URL is read from; the place for one that holds a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_from: Option<ValueSource>,
}
