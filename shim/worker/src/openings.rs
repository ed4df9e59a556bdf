//! Directories are opened on threads of their own, since their file systems may never answer. How many such threads a pod may have.

use anyhow::{Context, bail};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Threads that may wait for the directories of one pod. Each is lost until its file system answers, and a container that does not start is
/// started again and again.
const MAX_OPENING: usize = 4;

/// The threads that open directories now, by the ids of the pods.
#[derive(Clone, Default)]
pub(crate) struct Openings(Arc<Mutex<HashMap<String, usize>>>);

/// Counts for as long as it lives.
pub(crate) struct Opening {
    openings: Openings,
    sandbox: String,
}

impl Openings {
    /// Counts one more for a pod; an error where there are too many.
    pub(crate) fn begin(&self, sandbox: &str) -> anyhow::Result<Opening> {
        let mut counts = self.counts();
        let count = counts.entry(sandbox.to_owned()).or_default();
        if *count >= MAX_OPENING {
            bail!(
                "the file systems of the pod's volumes have left {count} starts of its containers waiting: see whether their servers are \
                 there and can be reached from the node"
            );
        }
        *count += 1;
        Ok(Opening {
            openings: self.clone(),
            sandbox: sandbox.to_owned(),
        })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let mut counts = self.openings.counts();
        if let Some(count) = counts.get_mut(&self.sandbox) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.sandbox);
            }
        }
    }
}

/// Does `work`, which may never come back, on a thread of its own.
pub(crate) async fn on_a_thread<T: Send + 'static>(
    opening: Opening,
    work: impl Future<Output = anyhow::Result<T>> + Send + 'static,
) -> anyhow::Result<T> {
    let (sender, receiver) = oneshot::channel();
    let runtime = Handle::current();
    std::thread::Builder::new()
        .name("directories".to_owned())
        .spawn(move || {
            let done = runtime.block_on(work);
            drop(opening);
            // Nobody listens any more where the task was killed.
            let _ = sender.send(done);
        })
        .context("start a thread for the directories")?;
    receiver
        .await
        .context("the thread for the directories has panicked")?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pod_has_a_bounded_number_of_threads_and_others_have_theirs() {
        let openings = Openings::default();
        let (ends, hangs) = std::sync::mpsc::channel::<()>();
        let hangs = Arc::new(Mutex::new(hangs));
        let mut waiting = Vec::new();
        for _ in 0..MAX_OPENING {
            let (opening, hangs) = (openings.begin("stuck").unwrap(), Arc::clone(&hangs));
            waiting.push(tokio::spawn(on_a_thread(opening, async move {
                let _ = hangs.lock().unwrap().recv();
                Ok(())
            })));
        }
        assert!(openings.begin("stuck").is_err());
        let other = openings.begin("other").unwrap();
        assert_eq!(on_a_thread(other, async { Ok(7) }).await.unwrap(), 7);
        drop(ends);
        for waiting in waiting {
            waiting.await.unwrap().unwrap();
        }
        assert!(openings.counts().is_empty());
    }
}
