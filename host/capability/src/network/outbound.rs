//! The network as one instance sees it: how many connections it has open, and which addresses it was told for which name. An
//! address that no granted name led to, in this very instance, is not connectable; so a name that is made to point elsewhere
//! between question and connection (DNS rebinding) gains nothing.

use super::pool::Pool;
use super::tls::Tls;
use super::{Dialer, Neighbour, Neighbours};
use crate::RequestId;
use crate::report::Report;
use shoal_api::Protocol;
use shoal_network::{HostName, Policy, Refusal, Service};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Addresses that an instance is remembered to have been told.
const MAX_LEARNED: usize = 1024;

/// What a component may reach, shared by its instances.
pub(crate) struct Network {
    pub(crate) policy: Policy,
    pub(crate) dialer: Arc<dyn Dialer>,
    /// `limits.outboundConnections`
    pub(crate) connections: u32,
    pub(crate) neighbours: Option<Arc<dyn Neighbours>>,
    pub(crate) tls: Tls,
    pub(crate) pool: Pool,
    pub(crate) report: Arc<Report>,
}

/// The network of one instance.
pub(crate) struct Outbound {
    network: Arc<Network>,
    request: RequestId,
    open: AtomicU32,
    learned: Mutex<HashMap<IpAddr, Vec<HostName>>>,
}

/// A host as a request names it.
pub(super) enum Host {
    Address(IpAddr),
    Name(HostName),
}

/// Why nothing was resolved or connected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("limits.outboundConnections: the instance has {0} connections open, and no more are allowed")]
    TooMany(u32),
    #[error("cannot resolve {name}: {source}")]
    Resolve { name: HostName, source: io::Error },
    #[error("cannot connect to {}: {source}", place(.host, *.address))]
    Connect {
        host: String,
        address: SocketAddr,
        source: io::Error,
    },
}

/// A host with the address that was tried; an address alone where the host is one.
fn place(host: &str, address: SocketAddr) -> String {
    match host.parse::<IpAddr>() {
        Ok(_) => address.to_string(),
        Err(_) => format!("{host} at {address}"),
    }
}

/// One connection of [`Network::connections`]; given back when dropped.
pub(crate) struct Permit(Arc<Outbound>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Outbound {
    pub(crate) fn new(network: Arc<Network>, request: RequestId) -> Self {
        Self {
            network,
            request,
            open: AtomicU32::new(0),
            learned: Mutex::default(),
        }
    }

    pub(super) fn tls(&self) -> &Tls {
        &self.network.tls
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.network.pool
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.network.policy
    }

    /// The service of this process that goes by a host's name, if the name is granted. Its address does not matter: it has none here.
    pub(crate) fn neighbour(&self, host: &str, port: u16) -> Result<Option<Arc<dyn Neighbour>>, Failure> {
        let Some(neighbour) = self
            .network
            .neighbours
            .as_ref()
            .and_then(|it| it.find(host, port))
        else {
            return Ok(None);
        };
        let name = HostName::parse(host).ok_or_else(|| {
            self.log(
                Refusal::NoName {
                    name: host.to_owned(),
                }
                .into(),
            )
        })?;
        let allowed = self.network.policy.resolve(&name, Some((port, Protocol::Tcp)));
        allowed.map_err(|refusal| self.log(refusal.into()))?;
        Ok(Some(neighbour))
    }

    /// Takes a place for one connection; [`Outbound::close`] gives it back.
    pub(crate) fn open(&self) -> Result<(), Failure> {
        let limit = self.network.connections;
        let more = |open: u32| (open < limit).then_some(open + 1);
        match self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(()),
            Err(_) => Err(self.log(Failure::TooMany(limit))),
        }
    }

    pub(crate) fn close(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn permit(self: &Arc<Self>) -> Result<Permit, Failure> {
        self.open()?;
        Ok(Permit(Arc::clone(self)))
    }

    /// The addresses of a name, or of an address given as text, that the component may know. From now on it may connect to them
    /// wherever a rule for the name allows it.
    pub(crate) async fn resolve(self: Arc<Self>, name: String) -> Result<Vec<IpAddr>, Failure> {
        self.resolve_for(name, None).await
    }

    async fn resolve_for(self: Arc<Self>, name: String, service: Service) -> Result<Vec<IpAddr>, Failure> {
        let name = match self.allowed(&name, service)? {
            Host::Address(ip) => return Ok(vec![ip]),
            Host::Name(name) => name,
        };
        // A question takes a place too: the system's resolver answers each on a thread.
        let _permit = self.permit()?;
        let answers = self.network.dialer.resolve(name.as_str()).await;
        let answers = answers.map_err(|source| {
            let name = name.clone();
            self.log(Failure::Resolve { name, source })
        })?;
        self.learn(&name, answers)
    }

    /// Whether the instance may ask for a host, or connect to it where it is an address. What its names are resolved to is looked at as well,
    /// before anything is connected.
    pub(super) fn allowed(&self, host: &str, service: Service) -> Result<Host, Failure> {
        if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            let allowed = self.network.policy.connect(&self.names(ip), ip, service);
            allowed.map_err(|refusal| self.log(refusal.into()))?;
            return Ok(Host::Address(ip.to_canonical()));
        }
        let Some(name) = HostName::parse(host) else {
            let name = host.to_owned();
            return Err(self.log(Refusal::NoName { name }.into()));
        };
        let allowed = self.network.policy.resolve(&name, service);
        allowed.map_err(|refusal| self.log(refusal.into()))?;
        Ok(Host::Name(name))
    }

    fn learn(&self, name: &HostName, answers: Vec<IpAddr>) -> Result<Vec<IpAddr>, Failure> {
        let (mut allowed, mut refused) = (Vec::new(), None);
        for ip in answers {
            match self.network.policy.answer(name, ip) {
                Ok(()) => allowed.push(ip.to_canonical()),
                Err(refusal) => refused = Some(refusal),
            }
        }
        if let (true, Some(refusal)) = (allowed.is_empty(), refused) {
            return Err(self.log(refusal.into()));
        }
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        for ip in &allowed {
            if learned.len() >= MAX_LEARNED && !learned.contains_key(ip) {
                break;
            }
            let names = learned.entry(*ip).or_default();
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        Ok(allowed)
    }

    /// The names that the instance was told an address for.
    fn names(&self, ip: IpAddr) -> Vec<HostName> {
        let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        learned.get(&ip.to_canonical()).cloned().unwrap_or_default()
    }

    /// Whether the instance may connect to, or exchange datagrams with, an address.
    pub(crate) fn check(&self, address: SocketAddr, protocol: Protocol) -> Result<(), Refusal> {
        self.network.policy.connect(
            &self.names(address.ip()),
            address.ip(),
            Some((address.port(), protocol)),
        )
    }

    /// Connects to the first address of a host that may be connected to and answers.
    pub(crate) async fn connect(
        self: Arc<Self>,
        host: &str,
        port: u16,
    ) -> Result<tokio::net::TcpStream, Failure> {
        let (mut refused, mut failed) = (None, None);
        let addresses = Arc::clone(&self)
            .resolve_for(host.to_owned(), Some((port, Protocol::Tcp)))
            .await?;
        for address in addresses.into_iter().map(|ip| SocketAddr::new(ip, port)) {
            if let Err(refusal) = self.check(address, Protocol::Tcp) {
                refused = Some(refusal);
                continue;
            }
            match self.network.dialer.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(source) => {
                    let host = host.to_owned();
                    failed = Some(Failure::Connect {
                        host,
                        address,
                        source,
                    });
                }
            }
        }
        Err(match (failed, refused) {
            (Some(failure), _) => self.log(failure),
            (None, Some(refusal)) => self.log(refusal.into()),
            (None, None) => {
                let name = HostName::parse(host).ok_or_else(|| Refusal::NoName {
                    name: host.to_owned(),
                })?;
                let source = io::ErrorKind::NotFound.into();
                self.log(Failure::Resolve { name, source })
            }
        })
    }

    /// Tells the operator of the service. What the guest is told has no place for words.
    pub(crate) fn log(&self, failure: Failure) -> Failure {
        self.tell(&failure);
        failure
    }

    /// Tells the operator of the service why something came to nothing.
    pub(crate) fn tell(&self, why: &dyn fmt::Display) {
        self.network.report.refused(self.request, "network", why);
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
