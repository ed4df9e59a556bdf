//! What the containers of a pod share while the daemon runs: the resolver of its names, and the bound on what its volumes may keep
//! waiting. Records of pods are `node`'s.

use crate::dns::Resolver;
use crate::error::Error;
use crate::files::TIMEOUT;
use crate::node::lock;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::{Semaphore, oneshot};

/// Threads that may wait for the volumes of one pod. A file system that never answers keeps each for ever, and so the next start of a
/// container is refused instead.
const MAX_WAITING: usize = 4;
/// The same for all pods of the node. Beyond it no pod with volumes is started; others are.
const MAX_THREADS: usize = 1024;

/// The pods that have containers.
pub(crate) struct Pods {
    pods: Mutex<HashMap<String, Weak<Pod>>>,
    threads: Arc<Semaphore>,
}

impl Default for Pods {
    fn default() -> Self {
        Self {
            pods: Mutex::default(),
            threads: Arc::new(Semaphore::new(MAX_THREADS)),
        }
    }
}

/// A pod, for as long as one of its containers is there, or a thread that waits for one of its volumes.
pub(crate) struct Pod {
    waiting: Arc<Semaphore>,
    threads: Arc<Semaphore>,
    /// By the text of resolv.conf, which each container brings with it; it is nearly always the same.
    resolvers: Mutex<HashMap<String, Arc<Resolver>>>,
}

impl Pods {
    /// What the containers of the pod `sandbox` share.
    pub(crate) fn pod(&self, sandbox: &str) -> Arc<Pod> {
        let mut pods = lock(&self.pods);
        if let Some(pod) = pods.get(sandbox).and_then(Weak::upgrade) {
            return pod;
        }
        pods.retain(|_, pod| pod.strong_count() > 0);
        let pod = Arc::new(Pod {
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            threads: Arc::clone(&self.threads),
            resolvers: Mutex::default(),
        });
        pods.insert(sandbox.to_owned(), Arc::downgrade(&pod));
        pod
    }
}

impl Pod {
    /// How names are resolved in the network namespace `netns` with this resolv.conf.
    pub(crate) fn resolver(&self, netns: Option<&Path>, resolv: &str) -> io::Result<Arc<Resolver>> {
        let mut resolvers = lock(&self.resolvers);
        if let Some(known) = resolvers.get(resolv) {
            return Ok(Arc::clone(known));
        }
        let resolver = Arc::new(Resolver::new(netns, resolv)?);
        resolvers.insert(resolv.to_owned(), Arc::clone(&resolver));
        Ok(resolver)
    }

    /// Does `work` with the pod's volumes, on a thread of its own: it may never come back, and then it must not be one that others need.
    pub(crate) async fn on_volumes<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permits = [&self.waiting, &self.threads].map(|it| Arc::clone(it).try_acquire_owned());
        let [Ok(of_pod), Ok(of_node)] = permits else {
            return Err(Error::VolumesHang { waiting: MAX_WAITING });
        };
        let (sender, receiver) = oneshot::channel();
        // The pod is remembered for as long as the thread is there, whatever becomes of its containers.
        let pod = Arc::clone(self);
        std::thread::Builder::new()
            .name("volume".to_owned())
            .spawn(move || {
                // Nobody listens any more where it took too long.
                let _ = sender.send(work());
                drop((of_pod, of_node, pod));
            })
            .map_err(Error::VolumeThread)?;
        match tokio::time::timeout(TIMEOUT, receiver).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) | Err(_) => Err(Error::VolumeTimeout {
                seconds: TIMEOUT.as_secs(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_pod_whose_volumes_hang_is_refused_and_others_are_not() {
        let pods = Pods::default();
        let (ends, hangs) = mpsc::channel::<()>();
        let hangs = Arc::new(Mutex::new(hangs));
        let hang = || {
            let hangs = Arc::clone(&hangs);
            move || {
                let _ = lock(&hangs).recv();
                Ok(())
            }
        };
        let stuck = pods.pod("stuck");
        let late: Vec<_> = (0..MAX_WAITING)
            .map(|_| {
                let (pod, work) = (Arc::clone(&stuck), hang());
                tokio::spawn(async move { pod.on_volumes(work).await })
            })
            .collect();
        for late in late {
            let refused = late.await.unwrap().unwrap_err();
            assert!(matches!(refused, Error::VolumeTimeout { .. }), "{refused}");
        }
        drop(stuck);
        // Its containers are made anew; the threads are still there.
        let again = pods.pod("stuck").on_volumes(|| Ok(())).await.unwrap_err();
        assert!(matches!(again, Error::VolumesHang { .. }), "{again}");
        assert_eq!(pods.pod("other").on_volumes(|| Ok(7)).await.unwrap(), 7);
        drop(ends);
        let freed = async {
            while pods.pod("stuck").on_volumes(|| Ok(())).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(TIMEOUT, freed).await.unwrap();
    }
}
