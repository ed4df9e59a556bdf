//! The one who writes to a persistent store: takes what has come in while the last transaction was being written, and writes it as
//! the next one. So a hundred callers at once share one fsync.

use super::file::{Entries, Failed, File};
use crate::keyvalue::KeyValueError;
use crate::keyvalue::sizes::incremented;
use tokio::sync::{mpsc, oneshot};

/// Jobs, and bytes of values, of one transaction at the most; the first job may have more.
const MAX_JOBS: usize = 256;
const MAX_BYTES: usize = 16 << 20;

/// What one call asks for: all of it in one step.
pub(super) struct Job {
    pub(super) changes: Vec<Change>,
    pub(super) answer: oneshot::Sender<Result<Done, KeyValueError>>,
}

/// One change.
pub(super) enum Change {
    Set {
        key: String,
        value: Vec<u8>,
    },
    Delete {
        key: String,
    },
    Increment {
        key: String,
        delta: u64,
    },
    Swap {
        key: String,
        expected: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    },
}

/// What came of it, for those who ask.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    /// Of an increment.
    pub(super) number: u64,
    /// Of a swap.
    pub(super) swapped: bool,
}

/// Writes until nobody is left who could ask.
pub(super) fn run(file: &File, mut queue: mpsc::Receiver<Job>) {
    while let Some(first) = queue.blocking_recv() {
        let mut bytes = first.bytes();
        let mut jobs = vec![first];
        while jobs.len() < MAX_JOBS && bytes < MAX_BYTES {
            let Ok(next) = queue.try_recv() else { break };
            bytes += next.bytes();
            jobs.push(next);
        }
        write(file, jobs);
    }
}

fn write(file: &File, jobs: Vec<Job>) {
    let committed = file.commit(|entries| {
        let mut results = Vec::with_capacity(jobs.len());
        for job in &jobs {
            results.push(match apply(entries, &job.changes) {
                Ok(done) => Ok(done),
                // It asked for what can't be done, and changed nothing. The others go on.
                Err(Failed::Told(error)) => Err(error),
                Err(disk) => return Err(disk),
            });
        }
        Ok(results)
    });
    match committed {
        Ok(results) => {
            for (job, result) in jobs.into_iter().zip(results) {
                answer(job, result);
            }
        }
        Err(_) if jobs.len() > 1 => {
            // One that needs too much room fails alone, and so does each where the disk is gone.
            for job in jobs {
                write(file, vec![job]);
            }
        }
        Err(failed) => {
            let error = failed.told();
            for job in jobs {
                answer(job, Err(error.clone()));
            }
        }
    }
}

fn answer(job: Job, result: Result<Done, KeyValueError>) {
    // Whoever asked may have gone away, at the end of its request's time.
    drop(job.answer.send(result));
}

/// Does what can be done. A job whose change can't be done has this as its only change, so none is left half done.
fn apply(entries: &mut Entries<'_>, changes: &[Change]) -> Result<Done, Failed> {
    let mut done = Done::default();
    for change in changes {
        match change {
            Change::Set { key, value } => entries.set(key, value)?,
            Change::Delete { key } => entries.remove(key)?,
            Change::Increment { key, delta } => {
                let before = entries.get(key)?;
                done.number = incremented(key, before.as_deref(), *delta).map_err(Failed::Told)?;
                entries.set(key, done.number.to_string().as_bytes())?;
            }
            Change::Swap { key, expected, new } => {
                done.swapped = entries.get(key)? == *expected;
                match new {
                    Some(new) if done.swapped => entries.set(key, new)?,
                    None if done.swapped => entries.remove(key)?,
                    _ => {}
                }
            }
        }
    }
    Ok(done)
}

impl Job {
    fn bytes(&self) -> usize {
        let of = |change: &Change| match change {
            Change::Set { key, value } => key.len() + value.len(),
            Change::Swap { key, new, .. } => key.len() + new.as_ref().map_or(0, Vec::len),
            Change::Delete { key } | Change::Increment { key, .. } => key.len(),
        };
        self.changes.iter().map(of).sum()
    }
}
