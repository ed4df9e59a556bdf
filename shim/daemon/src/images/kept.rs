//! What containers keep in the cache: the compiled file and the artifact that their records name, for as long as there is a record.

use super::Images;
use crate::record::Container;
use shoal_artifact::{Digest, Pin};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// By the container's id.
#[derive(Default)]
pub(crate) struct Kept(Mutex<HashMap<String, Vec<Pin>>>);

impl Kept {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Pin>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Images {
    /// Keeps what a new container uses.
    pub(crate) fn keep(&self, id: &str, pins: Vec<Pin>) {
        self.kept.lock().insert(id.to_owned(), pins);
    }

    /// Keeps one file more, for another build of the engine.
    pub(crate) fn keep_too(&self, id: &str, pin: Pin) {
        self.kept.lock().entry(id.to_owned()).or_default().push(pin);
    }

    /// Keeps what an earlier daemon's record names. Blocking.
    pub(crate) fn keep_named(&self, container: &Container) {
        let Some(program) = &container.program else {
            return;
        };
        let compiled = program.compiled.iter().map(|path| self.cache.pin(path));
        let digest = Digest::parse(&program.task.digest).ok();
        let artifact = digest.iter().map(|digest| self.cache.pin_artifact(digest));
        let pins = compiled.chain(artifact).filter_map(|pin| {
            // A worker that runs it has a link of its own.
            pin.inspect_err(|error| {
                tracing::warn!(
                    id = container.id,
                    "cannot keep what it runs in the cache: {error}"
                )
            })
            .ok()
            .flatten()
        });
        let pins = pins.collect();
        self.keep(&container.id, pins);
    }

    /// A container is gone, and what it used may go.
    pub(crate) fn release(&self, id: &str) {
        self.kept.lock().remove(id);
    }
}
