//! Containers on their way from one worker to another, as each of the two sees them: what it says of one is no news of the container
//! itself. Who moves them is `upgrade`'s.

use crate::entry::Entry;
use crate::node::lock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// The containers that come to a worker, or leave it.
#[derive(Default)]
pub(crate) struct Moves(Mutex<HashMap<String, Move>>);

enum Move {
    /// It is to start here. Until it has, and until its pod has, it is another worker's.
    Comes {
        entry: Arc<Entry>,
        started: Option<oneshot::Sender<Result<(), String>>>,
    },
    /// Another worker has it. Here it finishes what is in flight.
    Leaves { entry: Arc<Entry> },
}

/// What the end of a task was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Nothing of this worker's.
    Unknown,
    /// It could not start, and stays where it was.
    Refused,
    /// It has finished what was in flight.
    Left,
}

impl Moves {
    /// A container is to start here; the worker's answer.
    pub(crate) fn comes(&self, entry: &Arc<Entry>) -> oneshot::Receiver<Result<(), String>> {
        let (sender, answer) = oneshot::channel();
        let entry = Arc::clone(entry);
        let id = entry.id.clone();
        let started = Some(sender);
        lock(&self.0).insert(id, Move::Comes { entry, started });
        answer
    }

    /// A container has begun to leave.
    pub(crate) fn leaves(&self, entry: &Arc<Entry>) {
        let entry = Arc::clone(entry);
        lock(&self.0).insert(entry.id.clone(), Move::Leaves { entry });
    }

    /// A container does not come, or has arrived.
    pub(crate) fn forget(&self, id: &str) {
        lock(&self.0).remove(id);
    }

    /// A container that may ask for connections here, though it is not one of the worker's own.
    pub(crate) fn container(&self, id: &str) -> Option<Arc<Entry>> {
        match lock(&self.0).get(id)? {
            Move::Comes { entry, .. } | Move::Leaves { entry } => Some(Arc::clone(entry)),
        }
    }

    /// The worker has started a container that comes, or refused it.
    pub(crate) fn started(&self, id: &str, result: Result<(), String>) {
        if let Some(Move::Comes { started, .. }) = lock(&self.0).get_mut(id)
            && let Some(started) = started.take()
        {
            // Nobody waits any more where it took too long.
            let _ = started.send(result);
        }
    }

    /// A task has ended in the worker.
    pub(crate) fn ended(&self, id: &str, reason: &str) -> Ended {
        let mut moves = lock(&self.0);
        match moves.get(id) {
            None => Ended::Unknown,
            Some(Move::Comes { .. }) => {
                drop(moves);
                self.started(id, Err(format!("it ended at its start: {reason}")));
                Ended::Refused
            }
            Some(Move::Leaves { .. }) => {
                moves.remove(id);
                Ended::Left
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }
}
