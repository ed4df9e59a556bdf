//! What happens to workers: started with the first container of their trust domain, ended with the last, and what they say in
//! between. They may be hostile: whatever one says of a container is believed only where that container is its own.

use crate::error::Error;
use crate::node::{Entry, Node, lock};
use crate::record::{Domain, State};
use crate::worker::Worker;
use shoal_protocol::{Ending, Exit, FromWorker, ToWorker, Version};
use std::sync::Arc;
use std::time::Duration;

/// How long a worker stays that has nothing to run.
const LINGER: Duration = Duration::from_secs(10);

impl Node {
    /// The worker of a trust domain; started where there is none.
    pub(crate) async fn worker(self: &Arc<Self>, domain: &Domain) -> Result<Arc<Worker>, Error> {
        let mut workers = self.workers.lock().await;
        if let Some(worker) = workers.get(&domain.name) {
            return Ok(Arc::clone(worker));
        }
        let taken: Vec<_> = workers.values().map(|worker| worker.record.uid).collect();
        let worker = Worker::start(&self.paths, domain.clone(), &taken, &self.keeper).await?;
        self.worker_records.put(&domain.name, &worker.record)?;
        let worker = Arc::new(worker);
        workers.insert(domain.name.clone(), Arc::clone(&worker));
        self.watch(&worker);
        worker.send(&worker.hello(), &[]).await?;
        Ok(worker)
    }

    /// Listens to a worker until it ends.
    pub(crate) fn watch(self: &Arc<Self>, worker: &Arc<Worker>) {
        let (node, worker) = (Arc::clone(self), Arc::clone(worker));
        tokio::spawn(async move {
            let listening = async {
                loop {
                    match worker.recv().await {
                        Ok(Some(message)) => node.said(&worker, message).await,
                        Ok(None) => return std::future::pending::<()>().await,
                        Err(error) => {
                            tracing::error!(worker = worker.domain().name, "it is killed: {error}");
                            worker.kill();
                            return std::future::pending().await;
                        }
                    }
                }
            };
            let death = tokio::select! {
                death = worker.died() => death,
                () = listening => return,
            };
            let mut workers = node.workers.lock().await;
            // It is gone already where it was retired, and another may have its name.
            if workers
                .get(&worker.domain().name)
                .is_some_and(|known| Arc::ptr_eq(known, &worker))
            {
                workers.remove(&worker.domain().name);
                node.bury(&worker).await;
            }
            drop(workers);
            let exit = Exit {
                ending: if death.oom {
                    Ending::OutOfMemory
                } else {
                    Ending::WorkerDied
                },
                message: format!("the worker of {} ended: {}", worker.domain().name, death.text),
            };
            for entry in node.entries() {
                if entry.is_in(worker.domain()) {
                    node.started(&entry, Err(exit.message.clone()));
                    if matches!(entry.get().state, State::Running) {
                        node.ended(&entry, exit.clone());
                    }
                }
            }
        });
    }

    /// Ends the worker of a domain in which there are no containers left, unless there soon are some again: to replace a pod by
    /// the next, as rollouts and jobs do, takes no new process.
    pub(crate) fn retire_later(self: &Arc<Self>, domain: &Domain) {
        let (node, domain) = (Arc::clone(self), domain.clone());
        tokio::spawn(async move {
            tokio::time::sleep(LINGER).await;
            node.retire(&domain).await;
        });
    }

    /// Ends it now. Nobody else starts one of its name before it is gone.
    async fn retire(&self, domain: &Domain) {
        let mut workers = self.workers.lock().await;
        let Some(worker) = workers.get(&domain.name).cloned() else {
            return;
        };
        let _turn = worker.turn.lock().await;
        let used = self.entries().iter().any(|entry| entry.is_in(domain));
        if !used {
            worker.kill();
            worker.died().await;
            workers.remove(&domain.name);
            self.bury(&worker).await;
        }
    }

    /// Removes what is left of a worker that has ended. Hold the table of workers.
    async fn bury(&self, worker: &Worker) {
        self.worker_records.remove(&worker.domain().name);
        worker.clean(&self.keeper).await;
    }

    async fn said(self: &Arc<Self>, worker: &Arc<Worker>, message: FromWorker) {
        match message {
            FromWorker::State { version, tasks } => {
                let protocol = Version::spoken(version.as_ref());
                tracing::debug!(worker = worker.domain().name, protocol, "it is there");
                let mut expected = std::mem::take(&mut *lock(&worker.expected));
                for task in tasks {
                    expected.retain(|id| *id != task.id);
                    if let Some(entry) = self.of(worker, &task.id) {
                        match task.exit {
                            Some(exit) => self.ended(&entry, exit),
                            None => self.started(&entry, Ok(())),
                        }
                    } else {
                        // Deleted while the daemon was away.
                        let _ = worker.send(&ToWorker::Kill { id: task.id.clone() }, &[]).await;
                        let _ = worker.send(&ToWorker::Forget { id: task.id }, &[]).await;
                    }
                }
                for id in expected {
                    if let Some(entry) = self.of(worker, &id) {
                        let message = "shoald ended before it could start it".to_owned();
                        self.ended(
                            &entry,
                            Exit {
                                ending: Ending::WorkerDied,
                                message,
                            },
                        );
                    }
                }
            }
            FromWorker::Started { id } => {
                if let Some(entry) = self.of(worker, &id) {
                    self.started(&entry, Ok(()));
                }
            }
            FromWorker::Failed { id, reason } => {
                if let Some(entry) = self.of(worker, &id) {
                    self.started(&entry, Err(reason));
                }
            }
            FromWorker::Ended { id, exit } => {
                if let Some(entry) = self.of(worker, &id) {
                    self.started(&entry, Ok(()));
                    self.ended(&entry, exit);
                }
            }
            FromWorker::Usage { tasks } => {
                for usage in tasks {
                    if let Some(entry) = self.of(worker, &usage.id) {
                        *lock(&entry.usage) = usage;
                    }
                }
            }
            FromWorker::Connect { ticket, id, address } => {
                let found = self.of(worker, &id);
                self.broker_connect(worker, ticket, found, address).await;
            }
            FromWorker::Resolve { ticket, id, name } => {
                let found = self.of(worker, &id);
                self.broker_resolve(worker, ticket, found, name).await;
            }
        }
    }

    fn started(&self, entry: &Entry, result: Result<(), String>) {
        if let Some(starting) = lock(&entry.starting).take() {
            // Nobody waits any more where the start was given up.
            let _ = starting.send(result);
        }
    }

    /// A container, if it is this worker's.
    fn of(&self, worker: &Worker, id: &str) -> Option<Arc<Entry>> {
        let entry = self.container(id).ok()?;
        entry.is_in(worker.domain()).then_some(entry)
    }
}
