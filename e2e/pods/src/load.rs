//! Constant load on one address, bounded in rate and time, that remembers every request that failed.

use crate::http;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(4);
/// No load goes on for longer.
const LONGEST: Duration = Duration::from_secs(120);

/// A client at work.
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Counted>>,
}

/// What came of the requests.
#[derive(Debug, Default)]
pub struct Counted {
    /// Answered with 200.
    pub good: u32,
    /// What the others got, with the time since the start.
    pub bad: Vec<String>,
}

impl Load {
    /// Sends requests to `address` from the network namespace `netns`, one after the other.
    pub fn start(netns: &str, address: SocketAddr) -> Self {
        Self::start_at(netns, address, "/")
    }

    /// The same for another path.
    pub fn start_at(netns: &str, address: SocketAddr, path: &str) -> Self {
        let path = path.to_owned();
        let stop = Arc::new(AtomicBool::new(false));
        let (netns, stopped) = (netns.to_owned(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            http::enter(&netns);
            let mut counted = Counted::default();
            let began = Instant::now();
            while !stopped.load(Ordering::Relaxed) && began.elapsed() < LONGEST {
                match http::get(address, &path) {
                    Ok((200, _)) => counted.good += 1,
                    other => counted
                        .bad
                        .push(format!("after {:?}: {other:?}", began.elapsed())),
                }
                std::thread::sleep(PAUSE);
            }
            counted
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// Ends it.
    pub fn stop(mut self) -> Counted {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("stopped once");
        thread.join().expect("the client")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Counted {
    /// Fails unless there were requests and all of them were answered.
    pub fn none_missed(&self, what: &str) {
        assert!(self.good > 50, "{what}: only {} requests", self.good);
        let shown = self.bad.get(..self.bad.len().min(5));
        assert!(
            self.bad.is_empty(),
            "{what}: {} of {} missed: {shown:?}",
            self.bad.len(),
            self.bad.len() as u32 + self.good
        );
    }
}
