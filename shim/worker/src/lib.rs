//! A worker: one process that runs the components of one trust domain, and can do nothing else. What it needs from outside it asks
//! the daemon for, over the channel that it was started with. What the two say is in `shoal-protocol`; how components run is
//! `shoal-service`'s business.
//!
//! ```text
//! start: confine ── namespaces ── engines, threads ── root, user, system calls ──> nothing is left to give up
//! run:   domain (the tasks) <──channel──> shoald
//!          ├─ task ──> shoal-service ──> guests
//!          ├─ output: lines to the pod's log          guests ──> output
//!          └─ broker: connections, names              guests ──> broker ──> shoald
//! ```

mod arguments;
mod broker;
mod confine;
mod domain;
mod front;
mod openings;
mod outbox;
mod output;
mod task;

pub use arguments::Arguments;

use anyhow::Context;
use clap::Parser;
use shoal_channel::Channel;
use shoal_service::{Pods, PoolOptions};
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Runtime;
use tracing_appender::non_blocking::WorkerGuard;

/// How long a component stays mapped that nobody calls.
const UNLOAD_AFTER: Duration = Duration::from_secs(60);

/// A worker that has given up all that it does not need, and runs nothing yet.
pub struct Worker {
    channel: Channel,
    prepared: Prepared,
}

/// What could not be made any more once the process is confined.
struct Prepared {
    pods: Pods,
    runtime: Runtime,
    _log: WorkerGuard,
}

/// The program.
pub fn main() -> ExitCode {
    match Worker::start(&Arguments::parse()).and_then(Worker::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shoal-worker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Worker {
    /// Confines this process. It must have one thread, and the channel as its descriptor 3.
    ///
    /// # Errors
    ///
    /// Where anything could not be given up. The process should end then.
    pub fn start(arguments: &Arguments) -> anyhow::Result<Self> {
        let (channel, prepared) = confine::enter(arguments, Prepared::new)?;
        Ok(Self { channel, prepared })
    }

    /// Does what the daemon says, until the channel is closed.
    ///
    /// # Errors
    ///
    /// Where the channel fails.
    pub fn run(self) -> anyhow::Result<()> {
        let Prepared { pods, runtime, _log } = self.prepared;
        let ended = runtime.block_on(domain::run(self.channel, pods));
        // A guest may be in a host call that no thread can be called back from.
        runtime.shutdown_background();
        ended
    }
}

impl Prepared {
    fn new() -> anyhow::Result<Self> {
        // A daemon that does not read must not keep guests waiting: what it does not read in time is lost.
        let (writer, log) = tracing_appender::non_blocking(std::io::stderr());
        let filter = std::env::var("SHOAL_LOG").unwrap_or_else(|_| "error,shoal=warn".to_owned());
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_env_filter(filter)
            .with_writer(writer)
            .init();
        Ok(Self {
            pods: Pods::new(PoolOptions::default(), UNLOAD_AFTER).context("start the engines")?,
            runtime: shoal_service::runtime().context("start the threads that guests run on")?,
            _log: log,
        })
    }
}
