//! The operator's command line; each flag is an environment variable too.

use clap::{Args, Parser, ValueEnum};
use std::net::SocketAddr;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// Runs WasmServices on a cluster.
#[derive(Parser, Debug)]
#[command(name = "shoal-operator", version)]
pub enum Command {
    /// Watch WasmServices, and run them.
    Run(Box<RunOptions>),
    /// Take the shim off all nodes, before the chart is removed.
    Uninstall(UninstallOptions),
}

impl Command {
    pub(crate) fn log(&self) -> &LogOptions {
        match self {
            Self::Run(options) => &options.log,
            Self::Uninstall(options) => &options.log,
        }
    }
}

/// How the operator runs.
#[derive(Args, Clone, Debug)]
pub struct RunOptions {
    /// The namespaces whose WasmServices are run, separated by commas; all of them unless named.
    #[arg(long, env = "SHOAL_WATCH_NAMESPACES", value_delimiter = ',')]
    pub(crate) watch_namespaces: Vec<String>,
    /// The namespace of the lease.
    #[arg(long, env = "SHOAL_LEASE_NAMESPACE", default_value = "shoal-system")]
    pub(crate) lease_namespace: String,
    /// The lease that the replicas share: one of them works, the others wait.
    #[arg(long, env = "SHOAL_LEASE_NAME", default_value = "shoal-operator")]
    pub(crate) lease_name: String,
    /// Who this replica is; the pod's name.
    #[arg(long, env = "SHOAL_IDENTITY")]
    pub(crate) identity: Option<String>,
    /// How long the others wait for a leader that says nothing.
    #[arg(long, env = "SHOAL_LEASE_DURATION", default_value = "15s", value_parser = duration)]
    pub(crate) lease_duration: Duration,
    /// A leader that could not renew its lease for this long stops writing.
    #[arg(long, env = "SHOAL_RENEW_DEADLINE", default_value = "10s", value_parser = duration)]
    pub(crate) renew_deadline: Duration,
    /// How often the lease is renewed, or asked for.
    #[arg(long, env = "SHOAL_RETRY_PERIOD", default_value = "2s", value_parser = duration)]
    pub(crate) retry_period: Duration,
    /// Where Prometheus finds the metrics.
    #[arg(long, env = "SHOAL_METRICS_ADDRESS", default_value = "0.0.0.0:8080")]
    pub(crate) metrics_address: SocketAddr,
    /// Where kubelet finds /livez and /readyz.
    #[arg(long, env = "SHOAL_HEALTH_ADDRESS", default_value = "0.0.0.0:8081")]
    pub(crate) health_address: SocketAddr,
    /// A registry that is spoken to without TLS, as references name it (host:port); can be given several times.
    #[arg(long, env = "SHOAL_INSECURE_REGISTRIES", value_delimiter = ',')]
    pub(crate) insecure_registry: Vec<String>,
    /// The RuntimeClass of the shim.
    #[arg(long, env = "SHOAL_RUNTIME_CLASS", default_value = "shoal")]
    pub(crate) runtime_class: String,
    /// The domain of the cluster's names.
    #[arg(long, env = "SHOAL_CLUSTER_DOMAIN", default_value = "cluster.local")]
    pub(crate) cluster_domain: String,
    /// The namespace of the installer's pods; without it nodes are left alone.
    #[arg(long, env = "SHOAL_INSTALLER_NAMESPACE")]
    pub(crate) installer_namespace: Option<String>,
    /// Which nodes get the shim, as a label selector; all Linux nodes unless said otherwise.
    #[arg(long, env = "SHOAL_NODE_SELECTOR", default_value = "kubernetes.io/os=linux")]
    pub(crate) node_selector: String,
    /// On how many nodes the installer may work at once.
    #[arg(long, env = "SHOAL_MAX_UNAVAILABLE", default_value_t = 1)]
    pub(crate) max_unavailable: usize,
    /// How many services are worked on at once.
    #[arg(long, env = "SHOAL_CONCURRENCY", default_value_t = 16)]
    pub(crate) concurrency: u16,
    #[command(flatten)]
    pub(crate) log: LogOptions,
}

/// How the shim is taken off the nodes.
#[derive(Args, Clone, Debug)]
pub struct UninstallOptions {
    /// The namespace of the installer's pods.
    #[arg(long, env = "SHOAL_INSTALLER_NAMESPACE", default_value = "shoal-node")]
    pub(crate) installer_namespace: String,
    /// The installer's DaemonSet.
    #[arg(long, env = "SHOAL_INSTALLER", default_value = "shoal-installer")]
    pub(crate) installer: String,
    /// The operator's namespace.
    #[arg(long, env = "SHOAL_OPERATOR_NAMESPACE", default_value = "shoal-system")]
    pub(crate) operator_namespace: String,
    /// The operator's Deployment, and its lease: it is ended first.
    #[arg(long, env = "SHOAL_OPERATOR", default_value = "shoal-operator")]
    pub(crate) operator: String,
    /// The RuntimeClass of the shim, whose pods are evicted.
    #[arg(long, env = "SHOAL_RUNTIME_CLASS", default_value = "shoal")]
    pub(crate) runtime_class: String,
    /// How long it may take.
    #[arg(long, env = "SHOAL_TIMEOUT", default_value = "5m", value_parser = duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) log: LogOptions,
}

/// What is logged, and how. Which lines: the variable `RUST_LOG`, by default `info`.
#[derive(Args, Clone, Debug)]
pub(crate) struct LogOptions {
    /// JSON for programs, text for people.
    #[arg(long, env = "SHOAL_LOG_FORMAT", value_enum, default_value = "json")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Json,
    Text,
}

impl LogOptions {
    pub(crate) fn start(&self) {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,kube=warn"));
        let lines = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr);
        match self.log_format {
            LogFormat::Json => lines.json().flatten_event(true).init(),
            LogFormat::Text => lines.init(),
        }
    }
}

/// As in a manifest: `15s`, `1m30s`.
fn duration(text: &str) -> Result<Duration, String> {
    let duration: shoal_api::Duration = text.parse().map_err(|error| format!("{error}"))?;
    Ok(duration.as_std())
}
