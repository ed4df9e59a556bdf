//! The life of workers: started with the first container of their trust domain, ended some time after the last, given up where they don't
//! do what they are told. Which worker takes containers is `slots`', what workers say is `messages`'.
//!
//! Nobody but its own task waits for the death of a worker: SIGKILL does not end one that the kernel holds. Its containers are told to
//! have ended, and the next ones of its domain get a worker of the next generation.

use crate::entry::Entry;
use crate::error::Error;
use crate::node::{Node, lock};
use crate::process::{self, Death};
use crate::record::{Domain, WorkerRecord};
use crate::slots::{MAX_ENDING, Slot};
use crate::worker::Worker;
use shoal_protocol::{Ending, Exit, VERSION};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// How long a worker stays that has nothing to run.
const LINGER: Duration = Duration::from_secs(10);
/// How long the process of a worker may take to end once it was killed, before its containers are told to have ended anyway.
const DEATH: Duration = Duration::from_secs(5);
/// How often it is looked whether somebody else has killed a worker that the kernel holds. Its end is not told until it is let go.
const LOOK: Duration = Duration::from_secs(5);

impl Node {
    /// Puts a container into the worker of its trust domain, which is started where there is none.
    pub(crate) async fn place(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        domain: &Domain,
    ) -> Result<Arc<Worker>, Error> {
        let slot = self.slots.slot(&domain.name);
        let placed = self.place_in(&slot, entry, domain).await;
        drop(slot);
        self.slots.sweep(&domain.name);
        placed
    }

    async fn place_in(
        self: &Arc<Self>,
        slot: &Slot,
        entry: &Arc<Entry>,
        domain: &Domain,
    ) -> Result<Arc<Worker>, Error> {
        let _starting = slot.starting.lock().await;
        if let Some(worker) = slot.join(entry) {
            return Ok(worker);
        }
        let stuck = slot.stuck();
        if stuck >= MAX_ENDING {
            return Err(Error::Worker {
                domain: domain.name.clone(),
                reason: format!(
                    "{stuck} of its workers were killed and can't end, for the kernel waits for something in their name: see whether a \
                     file system that its pods mount still answers"
                ),
            });
        }
        let worker = self.start_worker(domain).await?;
        worker.add(entry);
        slot.install(Arc::clone(&worker));
        self.watch_new(&worker)?;
        worker.send(&worker.hello(), &[]).await?;
        Ok(worker)
    }

    /// Sees to the end of a worker that was just started, whatever comes, and writes the worker down. It is given up where that fails.
    pub(crate) fn watch_new(self: &Arc<Self>, worker: &Arc<Worker>) -> Result<(), Error> {
        self.watch(worker);
        let written = self.worker_records.put(&worker.record.name(), &worker.record);
        written.inspect_err(|error| worker.give_up(error.to_string()))
    }

    pub(crate) async fn start_worker(&self, domain: &Domain) -> Result<Arc<Worker>, Error> {
        let program = self.launcher.build().await?;
        let user = self.slots.user();
        let record = WorkerRecord {
            domain: domain.clone(),
            generation: self.slots.next(),
            pid: 0,
            uid: user.uid,
            protocol: VERSION,
            program,
        };
        let launched = self.launcher.launch(record, &self.keeper).await?;
        Worker::new(launched, user).map_err(|error| Error::Worker {
            domain: domain.name.clone(),
            reason: error.to_string(),
        })
    }

    /// Listens to a worker until it ends or is given up, and sees to what is left.
    pub(crate) fn watch(self: &Arc<Self>, worker: &Arc<Worker>) {
        let (node, worker) = (Arc::clone(self), Arc::clone(worker));
        tokio::spawn(async move {
            let slot = node.slots.slot(&worker.domain().name);
            let ended = tokio::select! {
                death = worker.process.died() => Ok(death),
                reason = worker.is_to_end() => Err(reason),
                () = node.listen(&worker) => return,
            };
            slot.set_aside(&worker);
            let name = &worker.domain().name;
            let (death, exit) = match ended {
                Ok(death) => {
                    // So that nobody waits for it any more.
                    worker.give_up(death.text.clone());
                    let exit = exit(name, &death);
                    (Some(death), exit)
                }
                Err(reason) => {
                    if !worker.is_idle() {
                        tracing::error!(worker = worker.record.name(), "it is killed: {reason}");
                    }
                    worker.process.kill();
                    let death = tokio::time::timeout(DEATH, worker.process.died()).await;
                    let message = format!("the worker of {name} was ended: {reason}");
                    let ending = Ending::WorkerDied;
                    (death.ok(), Exit { ending, message })
                }
            };
            for entry in worker.empty() {
                if entry.leave(&worker) {
                    entry.started(Err(exit.message.clone()));
                    if entry.runs() {
                        node.ended(&entry, exit.clone());
                    }
                }
            }
            if death.is_none() {
                tracing::error!(
                    worker = worker.record.name(),
                    pid = worker.record.pid,
                    "it was killed and does not end, for the kernel waits for something in its name: does a file system that its pods \
                     mount still answer?"
                );
                worker.process.died().await;
            }
            node.bury(&worker).await;
            slot.remove(&worker);
            drop(slot);
            node.slots.sweep(&worker.domain().name);
        });
    }

    /// Never returns. Nothing here waits but for the next message.
    async fn listen(self: &Arc<Self>, worker: &Arc<Worker>) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            let message = tokio::select! {
                message = worker.recv() => message,
                _ = look.tick() => {
                    if worker.process.is_held() {
                        worker.give_up("it was killed, and the kernel holds it".to_owned());
                    }
                    continue;
                }
            };
            match message {
                Ok(Some(message)) => self.handle_message(worker, message),
                // It is ending.
                Ok(None) => return std::future::pending().await,
                Err(error) => {
                    worker.give_up(error.to_string());
                    return std::future::pending().await;
                }
            }
        }
    }

    /// Ends a worker in which there are no containers left, unless there soon are some again: to replace a pod by the next, as rollouts
    /// and jobs do, takes no new process.
    pub(crate) fn retire_later(self: &Arc<Self>, worker: &Arc<Worker>) {
        let (node, worker) = (Arc::clone(self), Arc::downgrade(worker));
        tokio::spawn(async move {
            tokio::time::sleep(LINGER).await;
            let Some(worker) = worker.upgrade() else { return };
            if node.slots.slot(&worker.domain().name).set_aside_idle(&worker) {
                worker.give_up("it has nothing to run".to_owned());
            }
            node.slots.sweep(&worker.domain().name);
        });
    }

    /// Removes what is left of a worker that has ended.
    async fn bury(&self, worker: &Arc<Worker>) {
        self.worker_records.remove(&worker.record.name());
        self.keeper.forget(&process::kept(&worker.record)).await;
        let worker = Arc::clone(worker);
        // Removing a control group waits for the kernel, and a folder for a disk.
        let _ = tokio::task::spawn_blocking(move || worker.process.clean()).await;
    }

    /// Takes over the workers that an earlier daemon started. A container whose worker is gone has ended.
    pub(crate) async fn adopt(
        self: &Arc<Self>,
        mut kept: HashMap<String, Vec<OwnedFd>>,
    ) -> Result<(), Error> {
        let mut records = self.worker_records.load()?.records;
        // The last one of a domain takes its containers.
        records.sort_by_key(|record| record.generation);
        let mut workers = HashMap::new();
        for record in records {
            let name = record.name();
            let user = self.slots.adopt(&record);
            let Some(kept) = kept.remove(&process::kept(&record)) else {
                self.worker_records.remove(&name);
                continue;
            };
            let adopted = process::adopt(&self.paths, record, kept)
                .and_then(|launched| Ok(Worker::new(launched, user)?));
            match adopted {
                Ok(worker) => {
                    self.slots
                        .slot(&worker.domain().name)
                        .install(Arc::clone(&worker));
                    workers.insert(name, worker);
                }
                Err(error) => tracing::error!("the worker {name} cannot be taken over: {error}"),
            }
        }
        // Kept for a worker that was starting when its daemon died: nothing runs in it.
        for name in kept.keys() {
            self.keeper.forget(name).await;
        }
        self.rejoin(&workers);
        for worker in workers.into_values() {
            if worker.process.is_held() {
                worker.give_up("it was killed, and the kernel holds it".to_owned());
            }
            self.watch(&worker);
            let _ = worker.send(&worker.hello(), &[]).await;
            // Its last container may have gone just before the daemon did.
            self.retire_later(&worker);
        }
        Ok(())
    }

    /// Puts the containers of an earlier daemon back into its workers.
    fn rejoin(self: &Arc<Self>, workers: &HashMap<String, Arc<Worker>>) {
        for entry in self.entries() {
            let Some(program) = entry.program.as_ref().filter(|_| entry.runs()) else {
                continue;
            };
            // A daemon that knew one worker for each domain did not say which.
            let of = entry.get().worker;
            match workers.get(of.as_ref().unwrap_or(&program.domain.name)) {
                Some(worker) => {
                    worker.add(&entry);
                    lock(&worker.expected).push(entry.id.clone());
                }
                None => self.ended(
                    &entry,
                    Exit {
                        ending: Ending::WorkerDied,
                        message: "its worker ended while shoald was down".to_owned(),
                    },
                ),
            }
        }
    }
}

fn exit(domain: &str, death: &Death) -> Exit {
    Exit {
        ending: if death.oom {
            Ending::OutOfMemory
        } else {
            Ending::WorkerDied
        },
        message: format!("the worker of {domain} ended: {}", death.text),
    }
}
