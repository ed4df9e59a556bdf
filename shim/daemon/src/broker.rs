//! What a worker may not do itself is done here, after a look at the grants of the container that it is for: connections and names.
//! The worker has asked the same policy before; one that a guest has taken over has not.
//!
//! A container may wait for a bounded number of each, and so may a worker for all of its containers. What is beyond is refused at once:
//! no question waits for another one, and no other message of the worker waits for a question.

use crate::entry::Entry;
use crate::netns;
use crate::node::{Node, lock};
use crate::record::Program;
use crate::worker::{MAX_ASKED, Worker};
use shoal_api::{NetworkGrant, Protocol, WasmServiceSpec, redis};
use shoal_network::{HostName, Policy};
use shoal_protocol::{Refused, Task, Ticket, ToWorker};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that one container may wait for at once. Each holds a descriptor of ours.
pub(crate) const MAX_CONNECTS: usize = 256;
/// Names that one container may wait for at once.
pub(crate) const MAX_LOOKUPS: usize = 128;
/// How long a connection may take. An address that drops packets would keep it for two minutes, at Linux's defaults. Who asks may wait
/// for less.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the addresses of a name may take to be found, over all servers and the whole search list.
pub(crate) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(20);

/// What is asked for in the name of one container.
pub(crate) struct Broker {
    connects: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
    /// The addresses that it may connect to by name.
    learned: Learned,
    /// What it may reach, once that was asked for.
    policy: OnceLock<Result<Policy, Unreachable>>,
}

/// Why a container may reach nothing.
#[derive(Clone)]
struct Unreachable {
    kind: io::ErrorKind,
    reason: String,
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            connects: Arc::new(Semaphore::new(MAX_CONNECTS)),
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            learned: Learned::default(),
            policy: OnceLock::new(),
        }
    }
}

impl Broker {
    fn policy(&self, program: &Program) -> io::Result<&Policy> {
        let made = self.policy.get_or_init(|| {
            policy(program).map_err(|error| Unreachable {
                kind: error.kind(),
                reason: error.to_string(),
            })
        });
        let unreachable = |it: &Unreachable| io::Error::new(it.kind, it.reason.clone());
        made.as_ref().map_err(unreachable)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Connect,
    Lookup,
}

/// A question that may be answered. It counts for as long as this lives.
struct Question {
    entry: Arc<Entry>,
    program: Arc<Program>,
    _permits: [OwnedSemaphorePermit; 2],
}

impl Node {
    /// Answers a worker that asks for a connection. Does not wait.
    pub(crate) fn broker_connect(&self, worker: &Arc<Worker>, ticket: Ticket, id: &str, address: SocketAddr) {
        let question = match question(worker, id, Kind::Connect) {
            Ok(question) => question,
            Err(error) => {
                let error = Some(refused(&error));
                return worker.answer(ToWorker::Connected { ticket, error });
            }
        };
        let worker = Arc::clone(worker);
        tokio::spawn(async move {
            let connecting = connect(&question, address);
            let connected = within(CONNECT_TIMEOUT, "there is no connection", connecting).await;
            let (fds, error) = match &connected {
                Ok(socket) => (vec![socket], None),
                Err(error) => (Vec::new(), Some(refused(error))),
            };
            // A worker that is gone needs no answer.
            let _ = worker.send(&ToWorker::Connected { ticket, error }, &fds).await;
        });
    }

    /// Answers a worker that asks for the addresses of a name. Does not wait.
    pub(crate) fn broker_resolve(&self, worker: &Arc<Worker>, ticket: Ticket, id: &str, name: String) {
        let question = match question(worker, id, Kind::Lookup) {
            Ok(question) => question,
            Err(error) => {
                let addresses = Err(refused(&error));
                return worker.answer(ToWorker::Resolved { ticket, addresses });
            }
        };
        let worker = Arc::clone(worker);
        tokio::spawn(async move {
            let resolving = resolve(&question, &name);
            let resolved = within(LOOKUP_TIMEOUT, "no server has answered", resolving).await;
            let addresses = resolved.map_err(|error| refused(&error));
            let _ = worker.send(&ToWorker::Resolved { ticket, addresses }, &[]).await;
        });
    }
}

async fn within<T>(limit: Duration, what: &str, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let message = format!("{what} after {} s", limit.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, message))
    })
}

/// Counts a question, or refuses it.
fn question(worker: &Worker, id: &str, kind: Kind) -> io::Result<Question> {
    let entry = worker.container(id).or_else(|| worker.moves.container(id));
    let found = entry.and_then(|entry| Some((Arc::clone(entry.program.as_ref()?), entry)));
    let (program, entry) = found.ok_or_else(|| denied("the worker has no such container".to_owned()))?;
    let (quota, most, what) = match kind {
        Kind::Connect => (&entry.broker.connects, MAX_CONNECTS, "connections"),
        Kind::Lookup => (&entry.broker.lookups, MAX_LOOKUPS, "lookups of names"),
    };
    let own = Arc::clone(quota).try_acquire_owned();
    let own = own.map_err(|_| again(format!("the container waits for {most} {what} already")))?;
    let shared = Arc::clone(&worker.asked).try_acquire_owned();
    let shared = shared.map_err(|_| {
        again(format!(
            "the containers of {} wait for {MAX_ASKED} connections and lookups already",
            worker.domain().name
        ))
    })?;
    Ok(Question {
        entry,
        program,
        _permits: [own, shared],
    })
}
async fn connect(question: &Question, address: SocketAddr) -> io::Result<OwnedFd> {
    let Question { entry, program, .. } = question;
    let service = Some((address.port(), Protocol::Tcp));
    entry
        .broker
        .policy(program)?
        .connect(&entry.broker.learned.names(address.ip()), address.ip(), service)
        .map_err(|refusal| denied(refusal.to_string()))?;
    let stream = netns::connect(program.netns.as_deref(), None, address).await?;
    Ok(stream.into_std()?.into())
}

async fn resolve(question: &Question, name: &str) -> io::Result<Vec<IpAddr>> {
    let Question { entry, program, .. } = question;
    let policy = entry.broker.policy(program)?;
    let name = HostName::parse(name).ok_or_else(|| denied(format!("{name:?} is not a host name")))?;
    policy
        .resolve(&name, None)
        .map_err(|refusal| denied(refusal.to_string()))?;
    let resolver = entry.pod.resolver(program.netns.as_deref(), &program.resolv)?;
    let found = resolver.resolve(name.as_str()).await?;
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
    entry.broker.learned.add(&name, &addresses);
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
    Policy::new(&NetworkGrant {
        outbound: rules,
        ..NetworkGrant::default()
    })
    .map_err(io::Error::other)
}

/// More than may be waited for at once.
fn again(reason: String) -> io::Error {
    let message =
        format!("{reason}, and none is answered yet: wait for some of them before you ask for more");
    io::Error::new(io::ErrorKind::WouldBlock, message)
}

fn denied(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, reason)
}

fn refused(error: &io::Error) -> Refused {
    let errno = error.raw_os_error().unwrap_or(match error.kind() {
        io::ErrorKind::PermissionDenied => rustix::io::Errno::ACCESS.raw_os_error(),
        io::ErrorKind::NotFound => rustix::io::Errno::NOENT.raw_os_error(),
        io::ErrorKind::TimedOut => rustix::io::Errno::TIMEDOUT.raw_os_error(),
        io::ErrorKind::WouldBlock => rustix::io::Errno::AGAIN.raw_os_error(),
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
