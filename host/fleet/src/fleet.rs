//! The services of a process. Every operation is for one service, and touches that service and those that are linked to it.

use crate::member::{Draining, Member};
use crate::registry::{Node, Registry};
use crate::{FleetError, ServiceId};
use shoal_service::http::{Routes, Running, ServerOptions, serve};
use shoal_service::{Lead, Neighbourhood, Service, ServiceError, Tally};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;

/// All services of a process.
pub struct Fleet {
    neighbourhood: Arc<Neighbourhood>,
    /// Held for changes alone, never by requests, and never while anything is waited for.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    registry: Registry<Service>,
    members: HashMap<ServiceId, Member>,
}

/// A service that is ready to run, and where it listens if it answers HTTP.
pub struct Arrival {
    /// The service.
    pub service: Service,
    /// None where it does not answer HTTP. One that replaces another listens where that one does.
    pub listener: Option<TcpListener>,
}

/// A service that does not run here any more.
#[must_use = "what was begun is cut off when this is dropped: let it finish"]
pub struct Withdrawn {
    /// What it has begun.
    pub draining: Draining,
    /// The links of other services that lead nowhere now. Their calls fail until a service of its name is placed.
    pub dangling: Vec<ServiceError>,
}

impl Node for Service {
    type Lead = Lead;
    type Error = ServiceError;

    fn id(&self) -> &ServiceId {
        Service::id(self)
    }

    fn wants(&self) -> Vec<(ServiceId, String)> {
        let wants = Service::wants(self);
        wants.map(|(id, interface)| (id, interface.to_owned())).collect()
    }

    fn resolve(&self, provider: &Self) -> Result<Vec<Lead>, Vec<ServiceError>> {
        Service::resolve(self, provider)
    }

    fn without(&self, provider: &ServiceId, here: &[String]) -> Vec<ServiceError> {
        Service::without(self, provider, here)
    }

    fn unlink(&self, provider: &ServiceId) {
        Service::unlink(self, provider);
    }

    fn establish(lead: Lead) {
        lead.establish();
    }
}

impl Fleet {
    /// A fleet without services. Those that it will have find each other by name in this neighbourhood.
    pub fn new(neighbourhood: Arc<Neighbourhood>) -> Self {
        Self {
            neighbourhood,
            state: Mutex::default(),
        }
    }

    /// Starts a service: others are linked to it, requests and triggers call it.
    ///
    /// # Errors
    ///
    /// Where it runs already, can't listen, or where a link of its own or to it leads nowhere. Nothing has changed then.
    pub fn place(&self, arrival: Arrival) -> Result<(), FleetError> {
        self.place_all(vec![arrival])
    }

    /// Starts services that may be linked to each other, in a circle too: all of them or none.
    ///
    /// # Errors
    ///
    /// As of [`Fleet::place`], for all of them.
    pub fn place_all(&self, arrivals: Vec<Arrival>) -> Result<(), FleetError> {
        let mut state = self.state();
        let mut arriving = Vec::new();
        for Arrival { service, listener } in arrivals {
            let id = service.id().clone();
            if state.registry.contains(&id) {
                return Err(FleetError::Exists(id));
            }
            let server = listening(&service, listener)?;
            arriving.push((id, Arc::new(service), server));
        }
        let services = arriving.iter().map(|(_, service, _)| Arc::clone(service));
        state
            .registry
            .put(services.collect())
            .map_err(FleetError::Links)?;
        for (id, service, server) in arriving {
            self.neighbourhood.insert(id.clone(), service.routes());
            if let Some(server) = &server {
                server.replace(service.routes());
            }
            let member = Member {
                server,
                triggers: service.start(),
                service,
            };
            state.members.insert(id, member);
        }
        Ok(())
    }

    /// Runs a service in place of the one of its name, without dropping requests: those that are in flight are finished by the service that
    /// they began with. Calls of others lead to the new one from now on.
    ///
    /// # Errors
    ///
    /// Where there is none of its name, or where a link of its own or to it leads nowhere. Nothing has changed then.
    pub fn replace(&self, arrival: Arrival) -> Result<Draining, FleetError> {
        let Arrival { service, listener } = arrival;
        let id = service.id().clone();
        let mut state = self.state();
        let State { registry, members } = &mut *state;
        let Some(member) = members.get_mut(&id) else {
            return Err(FleetError::Unknown(id));
        };
        let server = match &member.server {
            Some(_) => None,
            None => listening(&service, listener)?,
        };
        let service = Arc::new(service);
        registry
            .put(vec![Arc::clone(&service)])
            .map_err(FleetError::Links)?;
        self.neighbourhood.insert(id, service.routes());
        let ended = match service.answers_http() {
            true => None,
            false => member.server.take(),
        };
        if server.is_some() {
            member.server = server;
        }
        if let Some(server) = &member.server {
            server.replace(service.routes());
        }
        // Never both: what is due now would be called twice.
        member.triggers.stop();
        let triggers = std::mem::replace(&mut member.triggers, service.start());
        let before = std::mem::replace(&mut member.service, service);
        Ok(Draining {
            replaced: ended.is_none(),
            server: ended,
            triggers,
            service: before,
        })
    }

    /// Takes a service out. Nothing new reaches it, and links to it lead nowhere. None where there is no such service.
    pub fn withdraw(&self, id: &ServiceId) -> Option<Withdrawn> {
        let mut state = self.state();
        let mut member = state.members.remove(id)?;
        self.neighbourhood.remove(id);
        let dangling = state.registry.take(id).map(|(_, errors)| errors);
        Some(Withdrawn {
            draining: member.drain(),
            dangling: dangling.unwrap_or_default(),
        })
    }

    /// Has a service take no new requests and messages from outside, while services of this process can still call it: for one that is going
    /// to be withdrawn, or a process that is going to end. None where there is no such service.
    pub fn drain(&self, id: &ServiceId) -> Option<Draining> {
        self.state().members.get_mut(id).map(Member::drain)
    }

    /// The services that run here.
    pub fn ids(&self) -> Vec<ServiceId> {
        self.state().members.keys().cloned().collect()
    }

    /// Whether a service runs here.
    pub fn contains(&self, id: &ServiceId) -> bool {
        self.state().members.contains_key(id)
    }

    /// Where a service listens.
    pub fn address(&self, id: &ServiceId) -> Option<SocketAddr> {
        self.state().members.get(id)?.address()
    }

    /// What the triggers of a service count.
    pub fn tallies(&self, id: &ServiceId) -> Vec<Tally> {
        let state = self.state();
        state.members.get(id).map(Member::tallies).unwrap_or_default()
    }

    /// The services that are linked to this one.
    pub fn dependents(&self, id: &ServiceId) -> Vec<ServiceId> {
        let state = self.state();
        state.registry.dependents(id).into_iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server for a service that answers HTTP. It has no routes until the links of the service lead somewhere.
fn listening(service: &Service, listener: Option<TcpListener>) -> Result<Option<Running>, FleetError> {
    if !service.answers_http() {
        return Ok(None);
    }
    let id = || Service::id(service).clone();
    let listener = listener.ok_or_else(|| FleetError::NoListener(id()))?;
    let server = serve(listener, Routes::default(), ServerOptions::default());
    server
        .map(Some)
        .map_err(|source| FleetError::Listen { id: id(), source })
}
