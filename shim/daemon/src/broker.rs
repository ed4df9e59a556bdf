//! What a worker may not do itself is done here, after a look at the grants of the container that it is for: connections and names.
//! The worker has asked the same policy before; one that a guest has taken over has not.

use crate::node::{Entry, Node, lock};
use crate::record::Program;
use crate::worker::Worker;
use crate::{dns, netns};
use shoal_api::{NetworkGrant, Protocol, WasmServiceSpec, redis};
use shoal_network::{HostName, Policy};
use shoal_protocol::{Refused, Task, Ticket, ToWorker};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

impl Node {
    pub(crate) async fn broker_connect(
        &self,
        worker: &Arc<Worker>,
        ticket: Ticket,
        of: Option<Arc<Entry>>,
        address: SocketAddr,
    ) {
        let worker = Arc::clone(worker);
        let asked = Arc::clone(&worker.asked).acquire_owned().await;
        tokio::spawn(async move {
            let _asked = asked;
            let connected = match program_of(of) {
                Ok((entry, program)) => connect(&entry, &program, address).await,
                Err(error) => Err(error),
            };
            let (fds, error) = match &connected {
                Ok(socket) => (vec![socket], None),
                Err(error) => (Vec::new(), Some(refused(error))),
            };
            // A worker that is gone needs no answer.
            let _ = worker.send(&ToWorker::Connected { ticket, error }, &fds).await;
        });
    }

    pub(crate) async fn broker_resolve(
        &self,
        worker: &Arc<Worker>,
        ticket: Ticket,
        of: Option<Arc<Entry>>,
        name: String,
    ) {
        let worker = Arc::clone(worker);
        let asked = Arc::clone(&worker.asked).acquire_owned().await;
        tokio::spawn(async move {
            let _asked = asked;
            let resolved = match program_of(of) {
                Ok((entry, program)) => resolve(&entry, &program, &name).await,
                Err(error) => Err(error),
            };
            let addresses = resolved.map_err(|error| refused(&error));
            let _ = worker.send(&ToWorker::Resolved { ticket, addresses }, &[]).await;
        });
    }
}

fn program_of(entry: Option<Arc<Entry>>) -> io::Result<(Arc<Entry>, Program)> {
    let found = entry.and_then(|entry| {
        let program = entry.get().program?;
        Some((entry, program))
    });
    found.ok_or_else(|| denied("the worker has no such container".to_owned()))
}

async fn connect(entry: &Entry, program: &Program, address: SocketAddr) -> io::Result<OwnedFd> {
    let service = Some((address.port(), Protocol::Tcp));
    policy(program)?
        .connect(&entry.learned.names(address.ip()), address.ip(), service)
        .map_err(|refusal| denied(refusal.to_string()))?;
    netns::connect(program.netns.as_deref(), address).await
}

async fn resolve(entry: &Entry, program: &Program, name: &str) -> io::Result<Vec<IpAddr>> {
    let policy = policy(program)?;
    let name = HostName::parse(name).ok_or_else(|| denied(format!("{name:?} is not a host name")))?;
    policy
        .resolve(&name, None)
        .map_err(|refusal| denied(refusal.to_string()))?;
    let found = dns::resolve(program.netns.as_deref(), &program.resolv, name.as_str()).await?;
    let mut refusal = None;
    let mut addresses = Vec::new();
    for ip in found {
        match policy.answer(&name, ip) {
            Ok(()) => addresses.push(ip),
            Err(why) => refusal = Some(denied(why.to_string())),
        }
    }
    if addresses.is_empty() {
        return Err(refusal.unwrap_or_else(|| io::ErrorKind::NotFound.into()));
    }
    entry.learned.add(&name, &addresses);
    Ok(addresses)
}

/// What the container may reach: what its component is granted, and the servers of its stores, channels and triggers.
fn policy(program: &Program) -> io::Result<Policy> {
    let Task {
        component,
        stores,
        triggers,
        values,
        ..
    } = &program.task;
    let grant = component.capabilities.network.as_ref();
    let mut rules = grant.map(|grant| grant.outbound.clone()).unwrap_or_default();
    let spec = WasmServiceSpec {
        stores: stores.clone(),
        triggers: triggers.clone(),
        ..WasmServiceSpec::default()
    };
    for server in redis::servers(component, &spec) {
        let from = || server.url_from.and_then(|source| values.read(source));
        // One that can't be read is the worker's to complain about.
        let address = server
            .url
            .or_else(from)
            .map(|url| redis::Address::parse(url.trim()));
        rules.extend(
            address
                .and_then(Result::ok)
                .iter()
                .flat_map(redis::Address::outbound),
        );
    }
    if grant.is_none() && rules.is_empty() {
        return Err(denied("capabilities.network is not granted".to_owned()));
    }
    Policy::new(&NetworkGrant { outbound: rules }).map_err(io::Error::other)
}

fn denied(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, reason)
}

fn refused(error: &io::Error) -> Refused {
    let errno = error.raw_os_error().unwrap_or(match error.kind() {
        io::ErrorKind::PermissionDenied => rustix::io::Errno::ACCESS.raw_os_error(),
        io::ErrorKind::NotFound => rustix::io::Errno::NOENT.raw_os_error(),
        io::ErrorKind::TimedOut => rustix::io::Errno::TIMEDOUT.raw_os_error(),
        _ => rustix::io::Errno::IO.raw_os_error(),
    });
    Refused {
        errno,
        message: error.to_string(),
    }
}

/// Addresses that a container's worker was told for a name, and no others by that name. Bounded: the oldest go first.
#[derive(Default)]
pub(crate) struct Learned(Mutex<VecDeque<(IpAddr, HostName)>>);

/// More than a well-behaved container resolves while an answer is fresh.
const MAX_LEARNED: usize = 4096;

impl Learned {
    fn add(&self, name: &HostName, addresses: &[IpAddr]) {
        let mut learned = lock(&self.0);
        for ip in addresses {
            let entry = (ip.to_canonical(), name.clone());
            learned.retain(|known| *known != entry);
            learned.push_back(entry);
        }
        while learned.len() > MAX_LEARNED {
            learned.pop_front();
        }
    }

    fn names(&self, ip: IpAddr) -> Vec<HostName> {
        let ip = ip.to_canonical();
        let learned = lock(&self.0);
        let named = learned.iter().filter(|(known, _)| *known == ip);
        named.map(|(_, name)| name.clone()).collect()
    }
}
