//! The services that run: started together, changed one by one, stopped together.

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
use shoal_service::http::{Running, ServerOptions, serve};
use shoal_service::{Host, Objects, Service};
use std::time::Duration;

/// All services of one `shoal up`.
pub(crate) struct Fleet {
    host: Host,
    console: Console,
    listen: Listen,
    grace: Duration,
    members: Vec<Member>,
    shared: Vec<Document>,
}

/// One service.
struct Member {
    entry: Entry,
    /// What its files were when it was made ready.
    files: Stamps,
    service: Service,
    /// Whether others can be linked to it.
    linkable: bool,
    /// None where it has no HTTP trigger.
    running: Option<Running>,
    /// Its other triggers.
    calling: Calling,
}

impl Fleet {
    pub(crate) fn new(host: Host, console: Console, listen: Listen, grace: Duration) -> Self {
        Self {
            host,
            console,
            listen,
            grace,
            members: Vec::new(),
            shared: Vec::new(),
        }
    }

    /// Makes all services ready, then starts them; none where one can't be run.
    pub(crate) async fn start(&mut self, manifests: Manifests) -> Result<(), Failure> {
        // Addresses first: a taken port is told before minutes of compiling, not after.
        let mut listeners = Vec::new();
        for entry in &manifests.services {
            listeners.push(match has_http(entry) {
                true => Some(self.listen.bind(entry.name()).await.map_err(Failure::Other)?),
                false => None,
            });
        }
        let objects = manifests.objects();
        let several = manifests.services.len() > 1;
        let preparing = manifests
            .services
            .iter()
            .map(|entry| self.prepare(entry, &objects, several, linked(entry.name(), &manifests)));
        let (ready, failures): (Vec<_>, Vec<_>) =
            join_all(preparing).await.into_iter().partition(Result::is_ok);
        if !failures.is_empty() {
            return Err(Failure::all(
                failures.into_iter().filter_map(Result::err).collect(),
            ));
        }
        let ready: Vec<_> = ready.into_iter().filter_map(Result::ok).collect();
        let services: Vec<_> = ready.iter().map(|(service, _)| service).collect();
        let loose = self.host.connect(&services);
        if !loose.is_empty() {
            return Err(Failure::all(loose.into_iter().map(Failure::from).collect()));
        }
        let linkable = linkables(&manifests);
        let entries = manifests.services.into_iter().zip(listeners).zip(linkable);
        for (((entry, listener), linkable), (service, files)) in entries.zip(ready) {
            let running = match listener {
                Some(listener) => {
                    Some(serve(listener, service.routes(), ServerOptions::default()).map_err(Failure::new)?)
                }
                None => None,
            };
            let calling = Calling::start(&service, &self.console);
            self.joined(Member {
                entry,
                files,
                service,
                linkable,
                running,
                calling,
            });
        }
        self.shared = manifests.shared;
        Ok(())
    }

    /// Takes over what changed. What can't be taken over is reported, and what ran before goes on.
    pub(crate) async fn change(&mut self, manifests: Manifests) {
        let objects = manifests.objects();
        let all = manifests.shared != self.shared;
        let linkable = linkables(&manifests);
        let names: Vec<_> = manifests.services.iter().map(|it| it.name().to_owned()).collect();
        let mut left: Vec<_> = manifests.services.into_iter().zip(linkable).collect();
        // What is linked to a service that changes too, or is new, fits once that was taken over.
        loop {
            let (before, mut failed) = (left.len(), Vec::new());
            for (entry, linkable) in left {
                if all || !self.has(&entry, linkable) {
                    let place = self.place(entry.name());
                    if let Err(failure) = self.take(place, entry.clone(), &objects, linkable).await {
                        failed.push((entry, linkable, failure));
                    }
                }
            }
            if failed.is_empty() || failed.len() == before {
                for (_, _, failure) in failed {
                    self.console.send(Event::Kept {
                        error: failure.message().to_owned(),
                    });
                }
                break;
            }
            left = failed
                .into_iter()
                .map(|(entry, linkable, _)| (entry, linkable))
                .collect();
        }
        self.shared = manifests.shared;
        let (stay, go): (Vec<_>, Vec<_>) = self
            .members
            .drain(..)
            .partition(|it| names.iter().any(|name| name == it.entry.name()));
        self.members = stay;
        if !go.is_empty() {
            for loose in self.host.connect(&self.services()) {
                self.console.send(Event::Kept {
                    error: loose.to_string(),
                });
            }
        }
        for member in go {
            self.console.send(Event::Removed {
                service: member.entry.name().to_owned(),
            });
            tokio::spawn(end(member, self.grace));
        }
    }

    fn services(&self) -> Vec<&Service> {
        self.members.iter().map(|member| &member.service).collect()
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|it| it.entry.name() == name)
    }

    /// Whether it runs already as it is now.
    fn has(&self, entry: &Entry, linkable: bool) -> bool {
        let member = self.place(entry.name()).and_then(|place| self.members.get(place));
        member.is_some_and(|member| {
            member.entry.service == entry.service
                && member.entry.base == entry.base
                && (member.linkable || !linkable)
                && member.files == watch::stamps(entry.files())
        })
    }

    /// Leads all links to where they belong once `service` is there, in place of the member at `place` if there is one. Where one
    /// leads nowhere, all stay as they were.
    fn connect(&self, place: Option<usize>, service: &Service) -> Result<(), Failure> {
        let mut services = self.services();
        match place.and_then(|place| services.get_mut(place)) {
            Some(before) => *before = service,
            None => services.push(service),
        }
        let loose = self.host.connect(&services);
        if loose.is_empty() {
            return Ok(());
        }
        // What ran before was connected before.
        self.host.connect(&self.services());
        Err(Failure::all(loose.into_iter().map(Failure::from).collect()))
    }

    /// Lets requests in flight finish, and ends.
    pub(crate) async fn stop(&mut self) {
        let members: Vec<_> = self.members.drain(..).collect();
        let ended = members.into_iter().map(|member| async {
            let name = member.entry.name().to_owned();
            (name, end(member, self.grace).await)
        });
        for (service, done) in join_all(ended).await {
            if !done {
                self.console.send(Event::Cut {
                    service,
                    grace: format!("{:?}", self.grace),
                });
            }
        }
    }

    async fn take(
        &mut self,
        place: Option<usize>,
        entry: Entry,
        objects: &Objects,
        linkable: bool,
    ) -> Result<(), Failure> {
        let (service, files) = self.prepare(&entry, objects, true, linkable).await?;
        self.connect(place, &service)?;
        let Some(member) = place.and_then(|place| self.members.get_mut(place)) else {
            let running = self.listener(&entry, &service).await?;
            let calling = Calling::start(&service, &self.console);
            self.joined(Member {
                entry,
                files,
                service,
                linkable,
                running,
                calling,
            });
            return Ok(());
        };
        let (had, has) = (member.running.is_some(), has_http(&entry));
        if had == has {
            if let Some(running) = &member.running {
                running.replace(service.routes());
            }
            // Never both: what is due now would be called twice.
            member.calling.stop();
            let calling = Calling::start(&service, &self.console);
            let calling = std::mem::replace(&mut member.calling, calling);
            let before = std::mem::replace(&mut member.service, service);
            (member.entry, member.files, member.linkable) = (entry, files, linkable);
            self.console.send(Event::Reloaded {
                service: member.entry.name().to_owned(),
            });
            // Requests in flight may still read files of volumes that go with it.
            let grace = self.grace;
            tokio::spawn(async move {
                tokio::join!(tokio::time::sleep(grace), calling.shutdown(grace));
                drop(before);
            });
            return Ok(());
        }
        let running = self.listener(&entry, &service).await?;
        if let Some(place) = place {
            let member = self.members.remove(place);
            member.calling.stop();
            tokio::spawn(end(member, self.grace));
        }
        let calling = Calling::start(&service, &self.console);
        self.joined(Member {
            entry,
            files,
            service,
            linkable,
            running,
            calling,
        });
        Ok(())
    }

    async fn listener(&mut self, entry: &Entry, service: &Service) -> Result<Option<Running>, Failure> {
        if !has_http(entry) {
            return Ok(None);
        }
        let listener = self.listen.bind(entry.name()).await.map_err(Failure::Other)?;
        serve(listener, service.routes(), ServerOptions::default())
            .map(Some)
            .map_err(Failure::new)
    }

    async fn prepare(
        &self,
        entry: &Entry,
        objects: &Objects,
        several: bool,
        linkable: bool,
    ) -> Result<(Service, Stamps), Failure> {
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
        match prepared.map_err(Failure::from) {
            Ok(service) => Ok((service, files)),
            Err(Failure::Manifest(mut problems)) => {
                for problem in &mut problems {
                    problem.source.get_or_insert_with(|| entry.file.clone());
                }
                Err(Failure::Manifest(problems))
            }
            Err(failure) => Err(Failure::Other(format!("{}: {}", entry.name(), failure.message()))),
        }
    }

    /// Says where a service answers and what it waits for, and keeps it.
    fn joined(&mut self, member: Member) {
        let service = member.entry.name().to_owned();
        let triggers = member.calling.names();
        if let Some(running) = &member.running {
            self.console.send(Event::Listening {
                service: service.clone(),
                url: format!("http://{}", running.address()),
                routes: routes(&member.entry),
            });
        }
        match triggers.is_empty() {
            false => self.console.send(Event::Waiting { service, triggers }),
            true if member.running.is_none() => self.console.send(Event::Idle { service }),
            true => {}
        }
        self.members.push(member);
    }
}

/// Whether all requests in flight were finished.
async fn end(member: Member, grace: Duration) -> bool {
    let Member {
        running,
        service,
        calling,
        ..
    } = member;
    let answering = async {
        match running {
            Some(running) => running.shutdown(grace).await,
            None => true,
        }
    };
    let (answered, called) = tokio::join!(answering, calling.shutdown(grace));
    drop(service);
    answered && called
}

/// For each service, whether another is linked to it.
fn linkables(manifests: &Manifests) -> Vec<bool> {
    let services = manifests.services.iter();
    services.map(|it| linked(it.name(), manifests)).collect()
}

fn linked(name: &str, manifests: &Manifests) -> bool {
    let components = manifests
        .services
        .iter()
        .flat_map(|it| &it.service.spec.components);
    let mut links = components.flat_map(|it| &it.links);
    links.any(|link| link.service.as_deref() == Some(name))
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
