//! The keeper: the one process of a node that never dies. containerd takes the end of a shim's connection for the end of its
//! task, so connections end here, and the daemon behind them may be replaced. It also keeps the descriptors that a daemon would
//! lose. Whatever can be elsewhere is elsewhere: this program must not need to be replaced.
//!
//! ```text
//!  containerd ══ shim.sock ══> keeper ══ shoald.sock ══> shoald
//!                                └────── store channel ────┘
//! ```

mod children;
mod connections;
mod daemon;
mod exchange;
mod frame;
mod log;
mod outbox;
mod poller;
mod setup;
mod socket;
mod store;

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use connections::{Connections, FIRST_NUMBER};
use daemon::{Backoff, Daemon};
use poller::{Interest, Poller, Ready};
use rustix::process::Signal;
use setup::Setup;
use shoal_channel::node::Folders;
use shoal_channel::store::Exited;
use store::Store;

/// What the keeper prints when containerd can connect.
pub(crate) const READY: &[u8] = b"ready\n";

/// How long a daemon may take to end when it is told to.
const DAEMON_ENDS: Duration = Duration::from_secs(10);
/// Without descriptors no connection can be accepted; this is when to try again.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

const LISTENER: u64 = 0;
const CHILD_ENDED: u64 = 1;
const TOLD_TO_END: u64 = 2;
const CHANNEL: u64 = 3;
const _: () = assert!(CHANNEL < FIRST_NUMBER);

const READ: Interest = Interest {
    read: true,
    write: false,
};
const NOTHING: Interest = Interest {
    read: false,
    write: false,
};

/// Runs until it is told to end, or its daemon ends as it should.
pub(crate) fn run(folders: Folders) -> anyhow::Result<()> {
    let setup = match Setup::new(&folders) {
        Ok(setup) => setup,
        Err(error) => {
            // Standard output is what the launcher reads.
            let _ = writeln!(std::io::stdout(), "{error:#}");
            return Err(error);
        }
    };
    let mut keeper = Keeper::new(folders, setup)?;
    setup::say_ready()?;
    log::line(format_args!("started as process {}", std::process::id()));
    keeper.run()
}

struct Keeper {
    folders: Folders,
    setup: Setup,
    poller: Poller,
    connections: Connections,
    store: Store,
    phase: Phase,
    backoff: Backoff,
    accept_again: Option<Instant>,
    /// Told to end: when the daemon is killed.
    ends_by: Option<Instant>,
}

enum Phase {
    Running {
        daemon: Daemon,
        interest: Interest,
    },
    /// Until the next one is started.
    Pausing {
        until: Instant,
    },
    Over,
}

impl Keeper {
    fn new(folders: Folders, setup: Setup) -> anyhow::Result<Keeper> {
        let poller = Poller::new()?;
        poller.add(&setup.listener, LISTENER, READ)?;
        poller.add(&setup.child_ended, CHILD_ENDED, READ)?;
        poller.add(&setup.told_to_end, TOLD_TO_END, READ)?;
        Ok(Keeper {
            connections: Connections::new(folders.daemon_socket()),
            folders,
            setup,
            poller,
            store: Store::default(),
            phase: Phase::Pausing {
                until: Instant::now(),
            },
            backoff: Backoff::default(),
            accept_again: None,
            ends_by: None,
        })
    }

    fn run(&mut self) -> anyhow::Result<()> {
        while !matches!(self.phase, Phase::Over) {
            self.look_at_the_clock();
            self.tell_daemon();
            for ready in self.poller.wait(self.next_alarm())? {
                match ready.number {
                    LISTENER => self.accept(),
                    CHILD_ENDED => self.reap(),
                    TOLD_TO_END => self.end(),
                    CHANNEL => self.channel(ready),
                    _ => self.connections.handle(&self.poller, ready),
                }
            }
        }
        children::kill_all();
        // The lock is ours until the process ends, so no other keeper has made these anew.
        for socket in [self.folders.shim_socket(), self.folders.daemon_socket()] {
            let _ = std::fs::remove_file(socket);
        }
        self.setup.forget_process();
        log::line(format_args!("ended"));
        Ok(())
    }

    fn next_alarm(&self) -> Option<Instant> {
        let daemon = match &self.phase {
            Phase::Pausing { until } => Some(*until),
            Phase::Running { .. } => self.ends_by,
            Phase::Over => None,
        };
        // While no daemon is there, its socket need not be tried.
        let retry = match self.phase {
            Phase::Running { .. } => self.connections.retry_at(),
            _ => None,
        };
        [daemon, retry, self.accept_again].into_iter().flatten().min()
    }

    fn look_at_the_clock(&mut self) {
        let now = Instant::now();
        let due = |alarm: Option<Instant>| alarm.is_some_and(|alarm| alarm <= now);
        if due(self.accept_again) {
            self.accept_again = None;
            let _ = self.poller.change(&self.setup.listener, LISTENER, READ);
        }
        match &self.phase {
            Phase::Pausing { until } if due(Some(*until)) => self.start_daemon(),
            Phase::Running { daemon, .. } => {
                if due(self.ends_by) {
                    log::line(format_args!("the daemon does not end: killed"));
                    daemon.signal(Signal::KILL);
                    self.ends_by = Some(now + DAEMON_ENDS);
                }
                if due(self.connections.retry_at()) {
                    self.connections.retry(&self.poller);
                }
            }
            Phase::Pausing { .. } | Phase::Over => {}
        }
    }

    fn start_daemon(&mut self) {
        let started = Daemon::start(&self.folders, &self.store).and_then(|daemon| {
            if let Err(error) = self.poller.add(daemon.channel(), CHANNEL, READ) {
                // There would be two with the next one.
                daemon.signal(Signal::KILL);
                return Err(error.into());
            }
            Ok(daemon)
        });
        match started {
            Ok(daemon) => {
                log::line(format_args!(
                    "the daemon is process {}",
                    daemon.pid.as_raw_nonzero()
                ));
                self.phase = Phase::Running {
                    daemon,
                    interest: READ,
                };
            }
            Err(error) => {
                let pause = self.backoff.pause(Duration::ZERO).max(Duration::from_millis(100));
                log::line(format_args!("{error:#}; next attempt in {pause:?}"));
                self.phase = Phase::Pausing {
                    until: Instant::now() + pause,
                };
            }
        }
    }

    fn accept(&mut self) {
        loop {
            match socket::accept(&self.setup.listener) {
                Ok(Some(socket)) => self.connections.add(&self.poller, socket),
                Ok(None) => return,
                Err(error) => {
                    log::line(format_args!("a connection cannot be accepted: {error}"));
                    self.accept_again = Some(Instant::now() + ACCEPT_AGAIN);
                    let _ = self.poller.change(&self.setup.listener, LISTENER, NOTHING);
                    return;
                }
            }
        }
    }

    fn reap(&mut self) {
        drain(&mut self.setup.child_ended);
        for (pid, status) in children::reap() {
            match &self.phase {
                Phase::Running { daemon, .. } if daemon.pid == pid => self.daemon_ended(status),
                _ => self.orphan_ended(Exited {
                    pid: pid.as_raw_nonzero().get(),
                    status,
                }),
            }
        }
    }

    fn orphan_ended(&mut self, exited: Exited) {
        self.store.exited(exited);
        if let Phase::Running { daemon, .. } = &mut self.phase
            && let Err(error) = daemon.tell(exited)
        {
            log::line(format_args!("{error}"));
        }
    }

    fn daemon_ended(&mut self, status: i32) {
        let Phase::Running { daemon, .. } = std::mem::replace(&mut self.phase, Phase::Over) else {
            return;
        };
        // What it has said last counts.
        daemon.receive(&mut self.store);
        self.poller.remove(daemon.channel());
        let how = ExitStatus::from_raw(status);
        log::line(format_args!(
            "the daemon has ended after {:?}: {how}",
            daemon.age()
        ));
        if self.ends_by.is_none() && !how.success() {
            let pause = self.backoff.pause(daemon.age());
            self.phase = Phase::Pausing {
                until: Instant::now() + pause,
            };
        }
    }

    fn end(&mut self) {
        drain(&mut self.setup.told_to_end);
        if self.ends_by.is_some() {
            return;
        }
        log::line(format_args!("told to end"));
        self.ends_by = Some(Instant::now() + DAEMON_ENDS);
        // From here on `start` waits for the next keeper, which waits for our lock.
        let _ = std::fs::remove_file(self.folders.shim_socket());
        self.accept_again = None;
        self.poller.remove(&self.setup.listener);
        match &self.phase {
            Phase::Running { daemon, .. } => daemon.signal(Signal::TERM),
            Phase::Pausing { .. } | Phase::Over => self.phase = Phase::Over,
        }
    }

    fn channel(&mut self, ready: Ready) {
        if let Phase::Running { daemon, .. } = &mut self.phase
            && ready.readable
            && !daemon.receive(&mut self.store)
        {
            // It has closed its end, and will end or not: nothing more comes from there.
            self.poller.remove(daemon.channel());
        }
    }

    /// What was put into its queue meanwhile, and whether to wait for room.
    fn tell_daemon(&mut self) {
        let Phase::Running { daemon, interest } = &mut self.phase else {
            return;
        };
        if daemon.has_outgoing()
            && let Err(error) = daemon.send(&self.store)
        {
            log::line(format_args!("the daemon cannot be told: {error}"));
        }
        let wanted = Interest {
            read: true,
            write: daemon.has_outgoing(),
        };
        if wanted != *interest {
            let _ = self.poller.change(daemon.channel(), CHANNEL, wanted);
            *interest = wanted;
        }
    }
}

fn drain(signals: &mut impl Read) {
    let mut buffer = [0; 64];
    while signals.read(&mut buffer).is_ok_and(|count| count > 0) {}
}
