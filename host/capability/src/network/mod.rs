//! What a component may reach over the network: a policy decides, a dialer does, and each instance is counted.
//!
//! ```text
//! wasi:http ───────> client ──┐
//! wasi:sockets ────> sockets ─┼─> outbound (of one instance) ──> policy: may it?
//!   ip-name-lookup > lookup ──┘                             └──> dialer: resolve, connect
//! ```

mod answer;
mod client;
mod connection;
mod dialer;
mod fault;
pub(crate) mod handler;
mod hooks;
mod lenient;
mod lookup;
mod neighbours;
mod outbound;
mod pool;
mod protocol;
mod sockets;
mod target;
mod tls;
mod upload;

pub use dialer::{Dialer, LocalDialer};
pub use neighbours::{Neighbour, Neighbours};
pub use tls::{ClientCertificate, PemProblem, Tls, TlsError};

pub(crate) use hooks::Hooks;
pub(crate) use lookup::Names;
pub(crate) use outbound::{Network, Outbound};
pub(crate) use sockets::{Maker, connect, link, sockets};

use crate::report::Report;
use pool::Pool;
use shoal_network::Policy;
use std::fmt;
use std::sync::Arc;

/// The network that is granted to a component.
#[derive(Clone)]
pub struct NetworkOptions {
    /// Where it may connect to.
    pub policy: Policy,
    /// Who resolves and connects.
    pub dialer: Arc<dyn Dialer>,
    /// `limits.outboundConnections`: how many connections and sockets an instance may have open at once.
    pub connections: u32,
    /// Services in this process, which are asked without a connection.
    pub neighbours: Option<Arc<dyn Neighbours>>,
    /// How HTTPS is spoken with which hosts.
    pub tls: Tls,
}

impl NetworkOptions {
    /// The network of this process under a policy.
    pub fn local(policy: Policy, connections: u32) -> Self {
        Self {
            policy,
            dialer: Arc::new(LocalDialer),
            connections,
            neighbours: None,
            tls: Tls::default(),
        }
    }

    pub(crate) fn build(self, report: Arc<Report>) -> Network {
        let Self {
            policy,
            dialer,
            connections,
            neighbours,
            tls,
        } = self;
        Network {
            policy,
            dialer,
            connections,
            neighbours,
            tls,
            pool: Pool::default(),
            report,
        }
    }
}

impl fmt::Debug for NetworkOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkOptions")
            .field("policy", &self.policy)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}
