//! The daemon as a child process, and the store channel to it. When to start the next one is decided here, what it is told is
//! kept in `store`.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal};
use shoal_channel::node::{Folders, ROOT_ENV, RUN_ENV};
use shoal_channel::store::{Exited, FromKeeper, ToKeeper};
use shoal_channel::{Channel, ChannelError, INHERITED, Message, Packet, Received};

use super::log;
use super::store::Store;

/// Another program to be started as the daemon. For tests.
const DAEMON_ENV: &str = "SHOAL_DAEMON";
/// One that has lived this long did start.
const SETTLED: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A daemon that runs.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) pid: Pid,
    started: Instant,
    channel: Channel,
    outgoing: VecDeque<Outgoing>,
}

#[derive(Debug)]
enum Outgoing {
    /// What is kept under this name, as long as it is.
    Have(String),
    Packet(Packet),
}

impl Daemon {
    /// Starts one, which will be told what is in `store`.
    pub(crate) fn start(folders: &Folders, store: &Store) -> anyhow::Result<Daemon> {
        let program = program()?;
        let log = log::open(&folders.log()).context("the log")?;
        let (ours, theirs) = Channel::pair()?;
        let pid = spawn(&program, folders, log, theirs.into())
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut outgoing: VecDeque<Outgoing> = store.names().cloned().map(Outgoing::Have).collect();
        outgoing.push_back(Outgoing::Packet(Packet::new(&FromKeeper::Ready(store.ready()))?));
        Ok(Daemon {
            pid,
            started: Instant::now(),
            channel: ours,
            outgoing,
        })
    }

    /// How long it has run.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // It is our child and was not waited for, so the number is still its own.
        let _ = rustix::process::kill_process(self.pid, signal);
    }

    /// Tells it of the end of a process.
    pub(crate) fn tell(&mut self, exited: Exited) -> Result<(), ChannelError> {
        let packet = Packet::new(&FromKeeper::Exited(exited))?;
        self.outgoing.push_back(Outgoing::Packet(packet));
        Ok(())
    }

    /// Whether it is to be told something.
    pub(crate) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Tells it what it takes. A daemon that is gone is no error: its end is told by SIGCHLD.
    pub(crate) fn send(&mut self, store: &Store) -> Result<(), ChannelError> {
        while let Some(next) = self.outgoing.front() {
            let sent = match next {
                Outgoing::Packet(packet) => self.channel.try_send(packet, &[]),
                Outgoing::Have(name) => match store.get(name) {
                    Some(fds) => self
                        .channel
                        .try_send(&Packet::new(&FromKeeper::Have(name.clone()))?, &fds),
                    None => Ok(true),
                },
            };
            match sent {
                Ok(true) => drop(self.outgoing.pop_front()),
                Ok(false) => return Ok(()),
                Err(error) => {
                    self.outgoing.clear();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Does what it has asked for. False when it will ask for nothing more.
    pub(crate) fn receive(&self, store: &mut Store) -> bool {
        loop {
            match self.channel.try_recv::<Message<ToKeeper>>() {
                Ok(Received::Packet(Message::Known(ToKeeper::Hello(version)), _)) => log::line(format_args!(
                    "the daemon is shoald {}, version {} of the protocol",
                    version.build, version.protocol
                )),
                Ok(Received::Packet(Message::Known(message), fds)) => {
                    if let Err(refused) = store.apply(message, fds) {
                        log::line(format_args!("the daemon asks for what cannot be: {refused}"));
                    }
                }
                // Of a newer version, or none: what cannot be kept is closed.
                Ok(Received::Packet(Message::Unknown { kind }, _)) => {
                    log::line(format_args!(
                        "the daemon asks for what this keeper does not know: {kind}"
                    ));
                }
                Ok(Received::Packet(Message::Unreadable { kind, error, .. }, _)) => {
                    log::line(format_args!(
                        "the daemon asks for {kind}, which this keeper can't read: {error}"
                    ));
                }
                Ok(Received::Nothing) => return true,
                Ok(Received::Closed) => return false,
                Err(error @ (ChannelError::Io { .. } | ChannelError::Closed)) => {
                    log::line(format_args!("{error}"));
                    return false;
                }
                Err(error) => log::line(format_args!("{error}")),
            }
        }
    }

    pub(crate) fn channel(&self) -> impl AsFd + '_ {
        self.channel.as_fd()
    }
}

/// `shoald` is installed beside this program. An installer keeps versions side by side, with a link that says which is current: a
/// keeper of an older version then starts the daemon of the current one.
fn program() -> anyhow::Result<PathBuf> {
    if let Some(program) = std::env::var_os(DAEMON_ENV) {
        return Ok(PathBuf::from(program));
    }
    let ours = std::env::current_exe().context("where this program is")?;
    Ok(installed(&ours))
}

fn installed(ours: &Path) -> PathBuf {
    let versions = ours.parent().and_then(Path::parent);
    versions
        .map(|versions| versions.join("current/shoald"))
        .filter(|current| current.exists())
        .unwrap_or_else(|| ours.with_file_name("shoald"))
}

fn spawn(program: &PathBuf, folders: &Folders, log: File, channel: OwnedFd) -> anyhow::Result<Pid> {
    let mut command = Command::new(program);
    command.env(RUN_ENV, &folders.run).env(ROOT_ENV, &folders.root);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.fd_mappings(vec![FdMapping {
        parent_fd: channel,
        child_fd: INHERITED,
    }])?;
    // Its end is seen by whoever reaps all children, so the `Child` is not needed.
    let id = command.spawn()?.id();
    i32::try_from(id)
        .ok()
        .and_then(Pid::from_raw)
        .context("a process without a number")
}

/// How long to wait before the next daemon is started. Pure.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// A daemon has ended after `age`, or could not be started.
    pub(crate) fn pause(&mut self, age: Duration) -> Duration {
        if age >= SETTLED {
            self.failures = 0;
        }
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        match failures {
            0 => Duration::ZERO,
            more => LONGEST_PAUSE.min(FIRST_PAUSE.saturating_mul(1 << (more - 1).min(16))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_version_is_started_where_several_lie_side_by_side() {
        let bin = tempfile::tempdir().unwrap();
        for version in ["1", "2"] {
            std::fs::create_dir(bin.path().join(version)).unwrap();
            std::fs::write(bin.path().join(version).join("shoald"), "").unwrap();
        }
        let ours = bin.path().join("1/containerd-shim-shoal-v1");
        assert_eq!(installed(&ours), bin.path().join("1/shoald"));
        std::os::unix::fs::symlink("2", bin.path().join("current")).unwrap();
        assert_eq!(installed(&ours), bin.path().join("current/shoald"));
        std::fs::remove_dir_all(bin.path().join("2")).unwrap();
        assert_eq!(installed(&ours), bin.path().join("1/shoald"));
    }

    #[test]
    fn the_first_is_replaced_at_once_and_the_others_ever_later() {
        let mut backoff = Backoff::default();
        let young = Duration::from_millis(1);
        let pauses: Vec<u128> = (0..9).map(|_| backoff.pause(young).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff.pause(SETTLED), Duration::ZERO);
        assert_eq!(backoff.pause(young).as_millis(), 100);
        backoff.failures = u32::MAX;
        assert_eq!(backoff.pause(young), LONGEST_PAUSE);
    }
}
