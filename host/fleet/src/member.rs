//! One service while it runs: its server, its triggers, and how it ends.

use shoal_service::http::Running;
use shoal_service::{Service, Tally, Triggers};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A service that runs.
pub(crate) struct Member {
    pub(crate) service: Arc<Service>,
    /// None where it does not answer HTTP, and once it drains.
    pub(crate) server: Option<Running>,
    pub(crate) triggers: Triggers,
}

impl Member {
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(Running::address)
    }

    pub(crate) fn tallies(&self) -> Vec<Tally> {
        self.triggers.tallies()
    }

    /// Takes nothing new from now on.
    pub(crate) fn drain(&mut self) -> Draining {
        let triggers = std::mem::take(&mut self.triggers);
        triggers.stop();
        Draining {
            server: self.server.take(),
            triggers,
            service: Arc::clone(&self.service),
            replaced: false,
        }
    }
}

/// A service that takes nothing new, and finishes what it has begun. Dropped, it ends at once.
#[must_use = "what was begun is cut off when this is dropped: let it finish"]
pub struct Draining {
    pub(crate) server: Option<Running>,
    pub(crate) triggers: Triggers,
    pub(crate) service: Arc<Service>,
    /// Its server goes on with the service that came in its place.
    pub(crate) replaced: bool,
}

impl Draining {
    /// Lets requests and calls finish for as long as `grace`. Returns whether all of them did.
    pub async fn finish(self, grace: Duration) -> bool {
        let Self {
            server,
            triggers,
            service,
            replaced,
        } = self;
        let answering = async {
            match server {
                Some(server) => server.shutdown(grace).await,
                None => true,
            }
        };
        let (answered, called) = tokio::join!(answering, triggers.shutdown(grace));
        if replaced {
            // Requests that began with it go on in the server that both have. They may still read files of volumes, which go with the
            // service.
            tokio::spawn(async move {
                tokio::time::sleep(grace).await;
                drop(service);
            });
        }
        answered && called
    }
}
