//! Unmaps components that nobody has called for a while: in slices, and on threads where no request waits. What unmapping one means is in
//! `resident`.

use crate::code::lock;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

/// Components that are looked at in one go. Unmapping one takes some ten microseconds.
const SLICE: usize = 64;
/// Time between two slices, which is for those who map.
const PAUSE: Duration = Duration::from_millis(10);

/// What can be unmapped while nobody uses it.
pub(crate) trait Sweep: Send + Sync + 'static {
    fn sweep(&self);
}

/// Looks at all components from time to time and unmaps those that were not used.
pub(crate) struct Sweeper {
    every: Duration,
    components: Arc<Components>,
    started: OnceLock<()>,
}

/// Components that may be mapped.
#[derive(Default)]
struct Components(Mutex<Vec<Weak<dyn Sweep>>>);

impl Sweeper {
    pub(crate) fn new(every: Duration) -> Self {
        Self {
            every,
            components: Arc::default(),
            started: OnceLock::new(),
        }
    }

    pub(crate) fn add<S: Sweep>(&self, component: &Arc<S>) {
        let component: Weak<dyn Sweep> = Arc::downgrade(component) as _;
        lock(&self.components.0).push(component);
        self.started.get_or_init(|| {
            tokio::spawn(run(self.every, Arc::downgrade(&self.components)));
        });
    }
}

/// Sweeps as long as there is a sweeper.
async fn run(every: Duration, components: Weak<Components>) {
    loop {
        tokio::time::sleep(every).await;
        let mut place = 0;
        loop {
            let Some(components) = components.upgrade() else {
                return;
            };
            let slice = components.slice(&mut place);
            drop(components);
            if slice.is_empty() {
                break;
            }
            // Fails where the runtime ends.
            let swept = tokio::task::spawn_blocking(move || slice.iter().for_each(|it| it.sweep())).await;
            if swept.is_err() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Components {
    /// The next components from `place` on, which goes on behind them. Those that are gone are forgotten.
    fn slice(&self, place: &mut usize) -> Vec<Arc<dyn Sweep>> {
        let mut components = lock(&self.0);
        let mut slice = Vec::new();
        while slice.len() < SLICE
            && let Some(component) = components.get(*place)
        {
            match component.upgrade() {
                Some(component) => {
                    slice.push(component);
                    *place += 1;
                }
                None => {
                    components.swap_remove(*place);
                }
            }
        }
        slice
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::ThreadId;

    /// Counts how often it was swept, and where.
    #[derive(Default)]
    struct Counted {
        times: AtomicUsize,
        threads: Mutex<HashSet<ThreadId>>,
    }

    impl Sweep for Counted {
        fn sweep(&self) {
            self.times.fetch_add(1, Ordering::Relaxed);
            lock(&self.threads).insert(std::thread::current().id());
        }
    }

    #[test]
    fn slices_hold_each_component_once_and_forget_those_that_are_gone() {
        let sweeper = Components::default();
        let mut all: Vec<_> = (0..3 * SLICE).map(|_| Arc::<Counted>::default()).collect();
        for component in &all {
            lock(&sweeper.0).push(Arc::downgrade(component) as _);
        }
        all.drain(..SLICE);
        let (mut place, mut slices) = (0, 0);
        loop {
            let slice = sweeper.slice(&mut place);
            if slice.is_empty() {
                break;
            }
            slices += 1;
            slice.iter().for_each(|it| it.sweep());
        }
        assert_eq!(slices, 2);
        assert_eq!(lock(&sweeper.0).len(), all.len());
        assert!(all.iter().all(|it| it.times.load(Ordering::Relaxed) == 1));
    }

    #[tokio::test]
    async fn components_are_swept_off_the_runtimes_thread() {
        let sweeper = Sweeper::new(Duration::from_millis(1));
        let component = Arc::<Counted>::default();
        sweeper.add(&component);
        while component.times.load(Ordering::Relaxed) < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(!lock(&component.threads).contains(&std::thread::current().id()));
        drop(sweeper);
    }
}
