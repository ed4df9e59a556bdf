//! What one component may use, with every value resolved. Built once for a component, shared by all its instances.

use crate::keyvalue::Store;
use crate::network::{Network, NetworkOptions};
use crate::report::Report;
use crate::stdio::Streams;
use crate::{CapabilityError, Channel, Mount, Secret, Stdio, filesystem};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use wasmtime_wasi::filesystem::WasiFilesystemCtx;

/// What to grant. The default is nothing, and clocks of a millisecond.
///
/// Without `Debug`, for variables and configuration hold secrets too.
#[derive(Clone)]
pub struct GrantsBuilder {
    /// The names of service and component, for logs: `greeter/web`.
    pub component: String,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Arguments; the first is the program's name.
    pub args: Vec<String>,
    /// Values of `wasi:config/store`.
    pub config: BTreeMap<String, String>,
    /// Values of `shoal:service/secrets`.
    pub secrets: BTreeMap<String, Secret>,
    /// The step in which both clocks advance.
    pub clock_resolution: Duration,
    /// Folders.
    pub mounts: Vec<Mount>,
    /// Key-value stores by the name that the component knows them under.
    pub stores: BTreeMap<String, Store>,
    /// Channels to publish to, by name.
    pub channels: BTreeMap<String, Channel>,
    /// Where the standard streams lead.
    pub stdio: Stdio,
    /// Where connections may go; none grants no network at all.
    pub network: Option<NetworkOptions>,
    /// What the components may use that are linked into this one, in the order of their places. They get nothing of the above.
    pub linked: Vec<Arc<Grants>>,
}

impl Default for GrantsBuilder {
    fn default() -> Self {
        Self {
            component: String::new(),
            env: Vec::new(),
            args: Vec::new(),
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
            clock_resolution: Duration::from_millis(1),
            mounts: Vec::new(),
            stores: BTreeMap::new(),
            channels: BTreeMap::new(),
            stdio: Stdio::Null,
            network: None,
            linked: Vec::new(),
        }
    }
}

impl GrantsBuilder {
    /// Opens the folders and makes ready what instances share.
    ///
    /// # Errors
    ///
    /// [`CapabilityError::Mount`] where a folder cannot be opened.
    pub fn build(self) -> Result<Arc<Grants>, CapabilityError> {
        let Self {
            component,
            env,
            args,
            config,
            secrets,
            clock_resolution,
            mounts,
            stores,
            channels,
            stdio,
            network,
            linked,
        } = self;
        let report = Arc::new(Report::new(&component).with_log(stdio.sink()));
        Ok(Arc::new(Grants {
            env,
            args,
            config,
            secrets,
            clock_resolution,
            mounted: !mounts.is_empty(),
            filesystem: filesystem::open(&mounts)?,
            stores: stores.into_iter().collect(),
            channels,
            streams: stdio.into(),
            network: network.map(|network| Arc::new(network.build(Arc::clone(&report)))),
            report,
            linked,
        }))
    }
}

/// What one component may use. Each request gets a [`State`](crate::State) that points here.
pub struct Grants {
    pub(crate) env: Vec<(String, String)>,
    pub(crate) args: Vec<String>,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) secrets: BTreeMap<String, Secret>,
    pub(crate) clock_resolution: Duration,
    pub(crate) filesystem: WasiFilesystemCtx,
    /// Whether there is a folder.
    pub(crate) mounted: bool,
    pub(crate) stores: HashMap<String, Store>,
    pub(crate) channels: BTreeMap<String, Channel>,
    pub(crate) streams: Streams,
    pub(crate) network: Option<Arc<Network>>,
    pub(crate) report: Arc<Report>,
    /// Of the components that are linked into this one.
    pub(crate) linked: Vec<Arc<Grants>>,
}

impl Default for Grants {
    /// Nothing.
    fn default() -> Self {
        Self {
            env: Vec::new(),
            args: Vec::new(),
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
            clock_resolution: Duration::from_millis(1),
            filesystem: WasiFilesystemCtx::default(),
            mounted: false,
            stores: HashMap::new(),
            channels: BTreeMap::new(),
            streams: Streams::Null,
            network: None,
            report: Arc::new(Report::new("")),
            linked: Vec::new(),
        }
    }
}

impl fmt::Debug for Grants {
    /// Names, not values: variables and configuration hold secrets too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants")
            .field("env", &self.env.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("config", &self.config.keys().collect::<Vec<_>>())
            .field("secrets", &self.secrets)
            .field("stores", &self.stores)
            .field("streams", &self.streams)
            .finish_non_exhaustive()
    }
}
