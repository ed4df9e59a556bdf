//! What workers say. They may be hostile: whatever one says of a container is believed only where that container is in it. Nothing here
//! waits, so that no message of a worker holds up the next one.

use crate::entry::Entry;
use crate::moves::Ended;
use crate::node::{Node, lock};
use crate::worker::Worker;
use shoal_protocol::{Ending, Exit, FromWorker, TaskState, ToWorker, Version};
use std::sync::Arc;

impl Node {
    pub(crate) fn handle_message(self: &Arc<Self>, worker: &Arc<Worker>, message: FromWorker) {
        match message {
            FromWorker::State { version, tasks } => {
                let protocol = Version::spoken(version.as_ref());
                tracing::debug!(worker = worker.record.name(), protocol, "it is there");
                self.reconcile(worker, tasks);
                worker.answered();
            }
            FromWorker::Started { id } => {
                if let Some(entry) = worker.container(&id) {
                    entry.started(Ok(()));
                } else {
                    worker.moves.started(&id, Ok(()));
                }
            }
            FromWorker::Failed { id, reason } => {
                if let Some(entry) = worker.container(&id) {
                    entry.started(Err(reason));
                } else {
                    worker.moves.started(&id, Err(reason));
                }
            }
            FromWorker::Ended { id, exit } => {
                if let Some(entry) = worker.container(&id) {
                    entry.started(Ok(()));
                    self.ended(&entry, exit);
                } else if worker.moves.ended(&id, &exit.message) == Ended::Left {
                    worker.answer(ToWorker::Forget { id });
                    self.retire_later(worker);
                }
            }
            FromWorker::Usage { tasks } => {
                for usage in tasks {
                    if let Some(entry) = worker.container(&usage.id) {
                        let mut before = lock(&entry.usage);
                        self.counts.used(&before, &usage);
                        *before = usage;
                    }
                }
            }
            FromWorker::Connect { ticket, id, address } => self.broker_connect(worker, ticket, &id, address),
            FromWorker::Resolve { ticket, id, name } => self.broker_resolve(worker, ticket, &id, name),
        }
    }

    /// Compares what a worker runs with what it should run, which is said when a daemon takes it over.
    fn reconcile(self: &Arc<Self>, worker: &Arc<Worker>, tasks: Vec<TaskState>) {
        let mut expected = std::mem::take(&mut *lock(&worker.expected));
        for task in tasks {
            expected.retain(|id| *id != task.id);
            if let Some(entry) = worker.container(&task.id) {
                match task.exit {
                    Some(exit) => self.ended(&entry, exit),
                    None => entry.started(Ok(())),
                }
            } else if let Some(entry) = self.moved(worker, &task) {
                // The daemon ended while it was on its way to another worker, which has it now.
                worker.moves.leaves(&entry);
                worker.answer(ToWorker::Stop { id: task.id });
            } else {
                // Deleted while the daemon was away.
                worker.answer(ToWorker::Kill { id: task.id.clone() });
                worker.answer(ToWorker::Forget { id: task.id });
            }
        }
        for id in expected {
            if let Some(entry) = worker.container(&id) {
                let exit = Exit {
                    ending: Ending::WorkerDied,
                    message: "shoald ended before it could start it".to_owned(),
                };
                self.ended(&entry, exit);
            }
        }
    }

    /// The container of a task that runs in `worker` and is another one's.
    fn moved(&self, worker: &Arc<Worker>, task: &TaskState) -> Option<Arc<Entry>> {
        let entry = self.container(&task.id).ok()?;
        let elsewhere = entry.worker().is_some_and(|it| !Arc::ptr_eq(&it, worker));
        (task.exit.is_none() && entry.runs() && elsewhere).then_some(entry)
    }
}
