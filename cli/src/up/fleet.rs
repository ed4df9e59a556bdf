//! The services that run: started together, changed one by one, stopped together.

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
    /// None where it has no HTTP trigger.
    running: Option<Running>,
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
            .map(|entry| self.prepare(entry, &objects, several));
        let (ready, failures): (Vec<_>, Vec<_>) =
            join_all(preparing).await.into_iter().partition(Result::is_ok);
        if !failures.is_empty() {
            return Err(Failure::all(
                failures.into_iter().filter_map(Result::err).collect(),
            ));
        }
        let ready = ready.into_iter().filter_map(Result::ok);
        for ((entry, listener), (service, files)) in manifests.services.into_iter().zip(listeners).zip(ready)
        {
            let running = match listener {
                Some(listener) => {
                    Some(serve(listener, service.routes(), ServerOptions::default()).map_err(Failure::new)?)
                }
                None => None,
            };
            self.joined(Member {
                entry,
                files,
                service,
                running,
            });
        }
        self.shared = manifests.shared;
        Ok(())
    }

    /// Takes over what changed. What can't be taken over is reported, and what ran before goes on.
    pub(crate) async fn change(&mut self, manifests: Manifests) {
        let objects = manifests.objects();
        let all = manifests.shared != self.shared;
        let names: Vec<_> = manifests.services.iter().map(|it| it.name().to_owned()).collect();
        for entry in manifests.services {
            let place = self.members.iter().position(|it| it.entry.name() == entry.name());
            let same = |member: &Member| {
                member.entry.service == entry.service
                    && member.entry.base == entry.base
                    && member.files == watch::stamps(entry.files())
            };
            let member = place.and_then(|place| self.members.get(place));
            if !all && member.is_some_and(same) {
                continue;
            }
            if let Err(failure) = self.take(place, entry, &objects).await {
                self.console.send(Event::Kept {
                    error: failure.message().to_owned(),
                });
            }
        }
        self.shared = manifests.shared;
        let (stay, go): (Vec<_>, Vec<_>) = self
            .members
            .drain(..)
            .partition(|it| names.iter().any(|name| name == it.entry.name()));
        self.members = stay;
        for member in go {
            self.console.send(Event::Removed {
                service: member.entry.name().to_owned(),
            });
            tokio::spawn(end(member, self.grace));
        }
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

    async fn take(&mut self, place: Option<usize>, entry: Entry, objects: &Objects) -> Result<(), Failure> {
        let (service, files) = self.prepare(&entry, objects, true).await?;
        let Some(member) = place.and_then(|place| self.members.get_mut(place)) else {
            let running = self.listener(&entry, &service).await?;
            self.joined(Member {
                entry,
                files,
                service,
                running,
            });
            return Ok(());
        };
        let (had, has) = (member.running.is_some(), has_http(&entry));
        if had == has {
            if let Some(running) = &member.running {
                running.replace(service.routes());
            }
            let before = std::mem::replace(&mut member.service, service);
            (member.entry, member.files) = (entry, files);
            self.console.send(Event::Reloaded {
                service: member.entry.name().to_owned(),
            });
            // Requests in flight may still read files of volumes that go with it.
            let grace = self.grace;
            tokio::spawn(async move {
                tokio::time::sleep(grace).await;
                drop(before);
            });
            return Ok(());
        }
        let running = self.listener(&entry, &service).await?;
        if let Some(place) = place {
            tokio::spawn(end(self.members.remove(place), self.grace));
        }
        self.joined(Member {
            entry,
            files,
            service,
            running,
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
            .prepare(&entry.service, objects, &entry.base, &listener)
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

    /// Says where a service answers, and keeps it.
    fn joined(&mut self, member: Member) {
        let service = member.entry.name().to_owned();
        self.console.send(match &member.running {
            Some(running) => Event::Listening {
                service,
                url: format!("http://{}", running.address()),
                routes: routes(&member.entry),
            },
            None => Event::Idle { service },
        });
        self.members.push(member);
    }
}

/// Whether all requests in flight were finished.
async fn end(member: Member, grace: Duration) -> bool {
    let Member { running, service, .. } = member;
    let done = match running {
        Some(running) => running.shutdown(grace).await,
        None => true,
    };
    drop(service);
    done
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
