//! What all reconciliations of a scope share.

use crate::cache::Cache;
use crate::callees::Callees;
use crate::events::Events;
use crate::fence::Fence;
use crate::metrics::Metrics;
use crate::reconcile::Failures;
use crate::referred::ReferredObjects;
use crate::registry::Registry;
use kube::Client;
use shoal_plan::Options;
use std::sync::Arc;

pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) cache: Cache,
    pub(crate) callees: Arc<Callees>,
    pub(crate) fence: Arc<Fence>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) events: Events,
    pub(crate) registry: Arc<Registry>,
    pub(crate) referred: Arc<ReferredObjects>,
    pub(crate) failures: Failures,
    pub(crate) options: Options,
}
