//! The threads that guests run on.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use tokio::runtime::{Builder, Runtime};

/// Turns after which a thread looks for network events; tokio's default is 61. A guest's first turn may take two milliseconds.
const EVENT_INTERVAL: u32 = 3;

/// A runtime for a [`Host`](crate::Host), of two threads at the least, and the lane of its guests that compute.
///
/// Raises the limit of open files to what the system allows the process: each service has a listener and a mapped file, and a shell's
/// usual limit of 1,024 is for those who call `select`.
///
/// # Errors
///
/// Where the threads cannot be started.
pub fn runtime() -> io::Result<Runtime> {
    allow_open_files()?;
    shoal_engine::start_lane()?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .worker_threads(processors.max(2))
        .event_interval(EVENT_INTERVAL)
        .enable_all()
        .build()
}

fn allow_open_files() -> io::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return Ok(());
    }
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).map_err(io::Error::from)
}
