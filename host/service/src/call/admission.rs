//! How many requests a component works on at once, and how many wait. Who waits too long is told so by the caller's deadline.

use crate::call::failure::Failure;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The door in front of one component.
pub(crate) struct Admission {
    places: Arc<Semaphore>,
    waiting: AtomicU32,
    queue: u32,
    concurrency: u32,
}

/// A place at the component; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Admission {
    pub(crate) fn new(concurrency: u32, queue: u32) -> Self {
        let places = Arc::new(Semaphore::new(concurrency as usize));
        Self {
            places,
            waiting: AtomicU32::new(0),
            queue,
            concurrency,
        }
    }

    /// A place, at once or after a wait in the queue.
    pub(crate) async fn enter(&self) -> Result<Place, Failure> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Place { _permit: permit });
        }
        let _waiting = Waiting::join(self)?;
        match Arc::clone(&self.places).acquire_owned().await {
            Ok(permit) => Ok(Place { _permit: permit }),
            // The semaphore is never closed.
            Err(_) => Err(self.full()),
        }
    }

    /// A place, however many wait: for events, whose trigger has a queue of its own.
    pub(crate) async fn wait(&self) -> Result<Place, Failure> {
        match Arc::clone(&self.places).acquire_owned().await {
            Ok(permit) => Ok(Place { _permit: permit }),
            Err(_) => Err(self.full()),
        }
    }

    /// Requests at once.
    pub(crate) fn concurrency(&self) -> u32 {
        self.concurrency
    }

    /// Requests that may wait.
    pub(crate) fn queue(&self) -> u32 {
        self.queue
    }

    fn full(&self) -> Failure {
        Failure::Busy {
            concurrency: self.concurrency,
            queue: self.queue,
        }
    }
}

/// One place in the queue; leaving it early counts too.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn join(admission: &'a Admission) -> Result<Self, Failure> {
        let joined = admission
            .waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |waiting| {
                (waiting < admission.queue).then_some(waiting + 1)
            });
        joined
            .map(|_| Self(&admission.waiting))
            .map_err(|_| admission.full())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn the_queue_has_an_end_and_who_leaves_makes_room() {
        let admission = Admission::new(1, 1);
        let first = admission.enter().await.expect("a free place");
        let mut second = Box::pin(admission.enter());
        assert!(second.as_mut().now_or_never().is_none());
        assert!(matches!(
            admission.enter().await,
            Err(Failure::Busy {
                concurrency: 1,
                queue: 1
            })
        ));
        drop(second);
        let mut third = Box::pin(admission.enter());
        assert!(third.as_mut().now_or_never().is_none());
        drop(first);
        assert!(third.await.is_ok());
    }
}
