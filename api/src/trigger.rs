//! What calls a service's components, and the stores that they share. How a trigger listens lives in the host.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capability::ValueSource;
use crate::schema::{self, LABEL};
use crate::{Duration, rules};

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
    /// Messages of Redis channels and streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisTrigger>,
    /// Points in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleTrigger>,
}

/// HTTP requests of a path.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exact_path())]
pub struct HttpTrigger {
    /// What requests it takes, by whole segments: `/api` matches `/api` and `/api/users`, not `/apis`. `:name` is any one segment, as in
    /// `/users/:id/edit`; `/static/...` says the same as `/static`. The path that fits best wins, from its first segment on.
    #[serde(default = "root")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = schema::HTTP_PATH))]
    #[x_kube(validation = rules::normalised())]
    #[x_kube(validation = rules::route_without_empty_segments())]
    #[x_kube(validation = rules::route_without_stars())]
    #[x_kube(validation = rules::route_without_braces())]
    #[x_kube(validation = rules::route_with_dots_at_its_end())]
    #[x_kube(validation = rules::route_with_named_parameters())]
    #[x_kube(validation = rules::route_with_whole_bytes())]
    pub path: String,
    /// Whether the path matches what lies below it too. `Exact` and `Prefix` of one path may stand side by side.
    // Not written where it is the default, so that a pod of a version before it stays as it is.
    #[serde(default, skip_serializing_if = "PathType::is_prefix")]
    #[schemars(extend("default" = PathType::Prefix))]
    pub path_type: PathType,
    /// Addresses and ranges of proxies in front of the service, such as `10.0.0.0/8`. What their `x-forwarded-*` and `forwarded` headers
    /// say reaches the component; what anybody else's say is dropped. The first address in `x-forwarded-for` is always the client's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 2, max = 64)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = rules::proxies())]
    pub trusted_proxies: Vec<String>,
}

impl Default for HttpTrigger {
    fn default() -> Self {
        Self {
            path: root(),
            path_type: PathType::default(),
            trusted_proxies: Vec::new(),
        }
    }
}

/// What a path matches, as for an Ingress and for a route of Gateway API (`PathPrefix`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PathType {
    /// The path, and all that lies below it.
    #[default]
    Prefix,
    /// The path alone, with or without a slash at its end.
    Exact,
}

impl PathType {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_prefix(&self) -> bool {
        *self == Self::Prefix
    }
}

fn root() -> String {
    "/".to_owned()
}

/// Messages of Redis channels and entries of its streams, each a call.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["url", "urlFrom"], "redis needs exactly one of url and urlFrom"))]
#[x_kube(validation = rules::some_messages())]
pub struct RedisTrigger {
    /// `redis://host:port/database`, `redis-sentinel://host,host/master` or `redis-cluster://host,host`; `rediss` for TLS. Exactly one
    /// of url and urlFrom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = schema::REDIS_URL))]
    pub url: Option<String>,
    /// Where the URL is read from; the place for one that holds a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_from: Option<ValueSource>,
    /// Certificate authorities, as PEM, that the server's certificate must come from. Absent: those that browsers trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities_from: Option<ValueSource>,
    /// Channels to subscribe to. A message that nobody can take at once is lost: use streams where that matters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub channels: Vec<String>,
    /// Patterns of channels, such as `orders.*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub patterns: Vec<String>,
    /// Streams to read as a consumer group. An entry is acknowledged once the component returned without an error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["stream"]))]
    pub streams: Vec<RedisStream>,
}

/// A stream that is read as a consumer group.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RedisStream {
    /// The stream's key.
    #[schemars(length(min = 1, max = 253))]
    pub stream: String,
    /// The consumer group, which is made where it is missing and then begins with the oldest entry. Absent: `NAMESPACE/SERVICE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub group: Option<String>,
    /// How often an entry is tried before it goes to the dead-letter stream, 1 to 1000.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_attempts: u32,
    /// How long an entry rests after a failure before it is tried again.
    #[serde(default = "some_seconds")]
    #[x_kube(validation = rules::duration("10ms", "24h"))]
    pub retry_after: Duration,
    /// The stream that entries go to which failed too often. Absent: the stream's name with `.dead` behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub dead_letter: Option<String>,
}

impl Default for RedisStream {
    fn default() -> Self {
        Self {
            stream: String::new(),
            group: None,
            max_attempts: five(),
            retry_after: some_seconds(),
            dead_letter: None,
        }
    }
}

fn five() -> u32 {
    5
}

fn some_seconds() -> Duration {
    Duration::from_secs(10)
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
    /// `redis://host:port/database`, `redis-sentinel://host,host/master` or `redis-cluster://host,host`; `rediss` for TLS. Exactly one
    /// of url and urlFrom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = schema::REDIS_URL))]
    pub url: Option<String>,
    /// Where the URL is read from; the place for one that holds a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_from: Option<ValueSource>,
    /// Certificate authorities, as PEM, that the server's certificate must come from. Absent: those that browsers trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities_from: Option<ValueSource>,
    /// What stands before each key in Redis. Absent: `NAMESPACE/SERVICE/STORE/`, which no other service has. Set it for data that
    /// other programs share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub prefix: Option<String>,
}
