//! The services that run, as their manifests want them: started together, changed one by one, stopped together. How they run is
//! `shoal-fleet`'s business.

use super::calling::Calling;
use super::listen::Listen;
use super::watch::{self, Stamps};
use crate::console::Console;
use crate::event::{Event, Route};
use crate::failure::Failure;
use crate::manifests::{Entry, Manifests};
use crate::progress::Bars;
use futures::future::join_all;
use shoal_api::manifest::Document;
use shoal_artifact::Progress;
use shoal_fleet::{Arrival, Draining, Fleet};
use shoal_service::{Host, Objects, Service, ServiceId};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// All services of one `shoal up`.
pub(crate) struct Services {
    host: Host,
    fleet: Fleet,
    console: Console,
    listen: Listen,
    grace: Duration,
    members: HashMap<ServiceId, Member>,
    shared: Vec<Document>,
}

/// What a service was made of.
struct Member {
    made: Made,
    /// Its triggers beside HTTP, as they are reported.
    calling: Calling,
}

/// A service's manifest, and how it was made ready.
struct Made {
    entry: Arc<Entry>,
    /// What its files were when it was made ready.
    files: Stamps,
    /// Whether others can be linked to it.
    linkable: bool,
}

impl Services {
    pub(crate) fn new(host: Host, console: Console, listen: Listen, grace: Duration) -> Self {
        Self {
            fleet: Fleet::new(Arc::clone(host.neighbourhood())),
            host,
            console,
            listen,
            grace,
            members: HashMap::new(),
            shared: Vec::new(),
        }
    }

    /// Makes all services ready, then starts them; none where one can't be run.
    pub(crate) async fn start(&mut self, manifests: Manifests) -> Result<(), Failure> {
        // Addresses first: a taken port is told before minutes of compiling, not after.
        let mut listeners = Vec::new();
        for entry in &manifests.services {
            listeners.push(self.listener(entry, false).await?);
        }
        let objects = manifests.objects();
        let linked = linked(&manifests);
        let several = manifests.services.len() > 1;
        let preparing = manifests
            .services
            .iter()
            .map(|entry| self.prepare(entry, &objects, several, linked.contains(&entry.id())));
        let (ready, failures): (Vec<_>, Vec<_>) =
            join_all(preparing).await.into_iter().partition(Result::is_ok);
        if !failures.is_empty() {
            return Err(Failure::all(
                failures.into_iter().filter_map(Result::err).collect(),
            ));
        }
        let ready = ready.into_iter().filter_map(Result::ok);
        let (services, made): (Vec<_>, Vec<_>) = ready.unzip();
        let arrivals = services.into_iter().zip(listeners);
        let arrivals = arrivals.map(|(service, listener)| Arrival { service, listener });
        self.fleet.place_all(arrivals.collect())?;
        for made in made {
            self.joined(made);
        }
        self.shared = manifests.shared;
        Ok(())
    }

    /// Takes over what changed. What can't be taken over is reported, and what ran before goes on.
    pub(crate) async fn change(&mut self, manifests: Manifests) {
        let objects = manifests.objects();
        let all = manifests.shared != self.shared;
        let linked = linked(&manifests);
        let wanted: HashSet<_> = manifests.services.iter().map(|it| it.id()).collect();
        let changed = manifests.services.into_iter().filter_map(|entry| {
            let linkable = linked.contains(&entry.id());
            (all || !self.has(&entry, linkable)).then_some((entry, linkable))
        });
        let mut left: Vec<_> = changed.collect();
        // What is linked to a service that changes too, or is new, fits once that was taken over.
        loop {
            let (before, mut failed) = (left.len(), Vec::new());
            for (entry, linkable) in left {
                if let Err(failure) = self.take(&entry, &objects, linkable).await {
                    failed.push((entry, linkable, failure));
                }
            }
            if failed.is_empty() || failed.len() == before {
                for (_, _, failure) in failed {
                    self.kept(failure.message().to_owned());
                }
                break;
            }
            left = failed
                .into_iter()
                .map(|(entry, linkable, _)| (entry, linkable))
                .collect();
        }
        self.shared = manifests.shared;
        let gone: Vec<_> = self
            .members
            .keys()
            .filter(|it| !wanted.contains(it))
            .cloned()
            .collect();
        for id in gone {
            self.remove(&id);
        }
    }

    /// Lets requests in flight finish, and ends.
    pub(crate) async fn stop(&mut self) {
        let (fleet, grace) = (&self.fleet, self.grace);
        let ended = self.members.drain().map(|(id, member)| async move {
            let done = match fleet.drain(&id) {
                Some(draining) => member.calling.end(draining, grace).await,
                None => true,
            };
            (id, done)
        });
        for (id, done) in join_all(ended).await {
            if !done {
                self.console.send(Event::Cut {
                    service: id.name,
                    grace: format!("{:?}", self.grace),
                });
            }
        }
    }

    /// Whether it runs already as it is now.
    fn has(&self, entry: &Arc<Entry>, linkable: bool) -> bool {
        self.members.get(&entry.id()).is_some_and(|Member { made, .. }| {
            let same = Arc::ptr_eq(&made.entry, entry)
                || made.entry.service == entry.service && made.entry.base == entry.base;
            same && (made.linkable || !linkable) && made.files == watch::stamps(entry.files())
        })
    }

    /// Starts a service, or replaces the one of its name.
    async fn take(&mut self, entry: &Arc<Entry>, objects: &Objects, linkable: bool) -> Result<(), Failure> {
        let (service, made) = self.prepare(entry, objects, true, linkable).await?;
        let id = entry.id();
        let listens = self.fleet.address(&id).is_some();
        let before = self.listen;
        let listener = self.listener(entry, listens).await?;
        let arrival = Arrival { service, listener };
        let taken = match self.fleet.contains(&id) {
            true => self.fleet.replace(arrival).map(Some),
            false => self.fleet.place(arrival).map(|()| None),
        };
        // A port that nobody listens on is the next one's.
        let draining = taken.inspect_err(|_| self.listen = before)?;
        let calling = Calling::start(self.fleet.tallies(&id), entry.name(), &self.console);
        let Some(draining) = draining else {
            self.joined(made);
            return Ok(());
        };
        if listens == has_http(entry) {
            let service = id.name.clone();
            self.console.send(Event::Reloaded { service });
        } else {
            self.announce(&made.entry, &calling);
        }
        if let Some(before) = self.members.insert(id, Member { made, calling }) {
            self.end(before, draining);
        }
        Ok(())
    }

    fn remove(&mut self, id: &ServiceId) {
        let Some(withdrawn) = self.fleet.withdraw(id) else {
            return;
        };
        for link in withdrawn.dangling {
            self.kept(link.to_string());
        }
        let service = id.name.clone();
        self.console.send(Event::Removed { service });
        if let Some(member) = self.members.remove(id) {
            self.end(member, withdrawn.draining);
        }
    }

    /// Lets a service finish what it has begun, beside everything else.
    fn end(&self, member: Member, draining: Draining) {
        let grace = self.grace;
        tokio::spawn(async move { member.calling.end(draining, grace).await });
    }

    /// Where a service listens that answers HTTP, unless it does already.
    async fn listener(&mut self, entry: &Entry, listens: bool) -> Result<Option<TcpListener>, Failure> {
        match has_http(entry) && !listens {
            true => self
                .listen
                .bind(entry.name())
                .await
                .map(Some)
                .map_err(Failure::Other),
            false => Ok(None),
        }
    }

    async fn prepare(
        &self,
        entry: &Arc<Entry>,
        objects: &Objects,
        several: bool,
        linkable: bool,
    ) -> Result<(Service, Made), Failure> {
        // Before they are read: a change that comes while they are read is seen as one.
        let files = watch::stamps(entry.files());
        let bars: &Bars = &self.console.bars;
        let service = entry.name();
        let listener = |component: &str| -> Box<dyn Progress> {
            let name = if several {
                format!("{service}/{component}")
            } else {
                component.to_owned()
            };
            bars.listener(&name)
        };
        let prepared = self
            .host
            .prepare(&entry.service, objects, &entry.base, linkable, &listener)
            .await;
        let made = Made {
            entry: Arc::clone(entry),
            files,
            linkable,
        };
        match prepared.map_err(Failure::from) {
            Ok(service) => Ok((service, made)),
            Err(Failure::Manifest(mut problems)) => {
                for problem in &mut problems {
                    problem.source.get_or_insert_with(|| entry.file.clone());
                }
                Err(Failure::Manifest(problems))
            }
            Err(failure) => Err(Failure::Other(format!("{}: {}", entry.name(), failure.message()))),
        }
    }

    /// Announces a service that was started, and keeps what it was made of.
    fn joined(&mut self, made: Made) {
        let id = made.entry.id();
        let calling = Calling::start(self.fleet.tallies(&id), made.entry.name(), &self.console);
        self.announce(&made.entry, &calling);
        self.members.insert(id, Member { made, calling });
    }

    /// Says where a service answers and what it waits for.
    fn announce(&self, entry: &Entry, calling: &Calling) {
        let service = entry.name().to_owned();
        let (address, triggers) = (self.fleet.address(&entry.id()), calling.names());
        if let Some(address) = address {
            self.console.send(Event::Listening {
                service: service.clone(),
                url: format!("http://{address}"),
                routes: routes(entry),
            });
        }
        match triggers.is_empty() {
            false => self.console.send(Event::Waiting { service, triggers }),
            true if address.is_none() => self.console.send(Event::Idle { service }),
            true => {}
        }
    }

    fn kept(&self, error: String) {
        self.console.send(Event::Kept { error });
    }
}

/// The services that others are linked to.
fn linked(manifests: &Manifests) -> HashSet<ServiceId> {
    let linked = manifests.services.iter().flat_map(|entry| {
        let components = entry.service.spec.components.iter();
        let links = components.flat_map(|it| &it.links);
        links.filter_map(|link| Some(entry.id().sibling(link.service.as_deref()?)))
    });
    linked.collect()
}

fn has_http(entry: &Entry) -> bool {
    entry.service.spec.triggers.iter().any(|it| it.http.is_some())
}

fn routes(entry: &Entry) -> Vec<Route> {
    let routes = entry.service.spec.triggers.iter().filter_map(|trigger| {
        let path = trigger.http.as_ref()?.path.clone();
        Some(Route {
            path,
            component: trigger.component.clone(),
        })
    });
    routes.collect()
}
