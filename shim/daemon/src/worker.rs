//! A worker's process: started under a user of its own, watched, ended. What runs in it is `node`'s business; what it confines itself
//! to, `shim/worker`'s.

use crate::cgroup::Cgroup;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::paths::Paths;
use crate::record::{Domain, WorkerRecord};
use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use shoal_channel::{AsyncChannel, Channel, ChannelError, INHERITED, Message};
use shoal_protocol::{FromWorker, ToWorker, VERSION, Version};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::unix::AsyncFd;
use tokio::sync::{Mutex, Semaphore};

/// The first user that a worker may have; nobody's account, and beyond what kubelet gives to user namespaces.
const FIRST_UID: u32 = 2_000_000_000;
/// Connections and names that one worker may wait for at once: some of them cost us a thread each.
const MOST_ASKED: usize = 256;
/// Where the worker finds the network namespace that it is to enter.
const NETNS: i32 = INHERITED + 1;

/// A worker that runs.
pub(crate) struct Worker {
    pub(crate) record: WorkerRecord,
    channel: AsyncChannel,
    pidfd: AsyncFd<OwnedFd>,
    cgroup: Cgroup,
    root: PathBuf,
    oom_kills: u64,
    /// Whether it has said what this version does not know.
    misunderstood: AtomicBool,
    /// Containers that an earlier daemon had it start, until it has said what it runs.
    pub(crate) expected: std::sync::Mutex<Vec<String>>,
    /// What it asks for and has not got yet. Full, it is not listened to.
    pub(crate) asked: Arc<Semaphore>,
    /// One at a time adds tasks, or finds that there are none left.
    pub(crate) turn: Mutex<()>,
}

/// How a worker ended.
#[derive(Clone, Debug)]
pub(crate) struct Death {
    /// The kernel killed it for want of memory.
    pub(crate) oom: bool,
    /// In words.
    pub(crate) text: String,
}

impl Worker {
    /// Starts a worker for `domain`. `taken` are users that others have.
    pub(crate) async fn start(
        paths: &Paths,
        domain: Domain,
        taken: &[u32],
        keeper: &Keeper,
    ) -> Result<Self, Error> {
        let failed = |reason: String| Error::Worker {
            domain: domain.name.clone(),
            reason,
        };
        let uid = (FIRST_UID..)
            .find(|uid| !taken.contains(uid))
            .unwrap_or(FIRST_UID);
        let root = paths.workers().join(&domain.name);
        // Links of an earlier worker of this name.
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).map_err(Error::file("create", &root))?;
        fs::set_permissions(&root, Permissions::from_mode(0o755)).map_err(Error::file("open up", &root))?;
        let (ours, theirs) = Channel::pair().map_err(|error| failed(error.to_string()))?;
        let ours = OwnedFd::from(ours);
        let program = program().map_err(|error| failed(error.to_string()))?;
        let mut command = Command::new(&program);
        command
            .arg("--root")
            .arg(&root)
            .args(["--uid", &uid.to_string(), "--gid", &uid.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .env_clear()
            .current_dir("/");
        if domain.directories {
            command.arg("--directories");
        }
        let mut fds = vec![FdMapping {
            parent_fd: OwnedFd::from(theirs),
            child_fd: INHERITED,
        }];
        if let Some(netns) = &domain.netns {
            command.arg("--network");
            let file = File::open(netns).map_err(Error::file("open", netns))?;
            fds.push(FdMapping {
                parent_fd: file.into(),
                child_fd: NETNS,
            });
        }
        command
            .fd_mappings(fds)
            .map_err(|error| failed(error.to_string()))?;
        let cgroup =
            Cgroup::create(&paths.cgroup(), &domain.name).map_err(|error| failed(error.to_string()))?;
        let child = command
            .spawn()
            .map_err(|error| failed(format!("cannot start {}: {error}", program.display())))?;
        let started = || -> Result<(Pid, OwnedFd), io::Error> {
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            let pid = pid.ok_or_else(|| io::Error::other("a process without a number"))?;
            let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
            // It does nothing before the first packet, so nothing of it happens outside of the group.
            cgroup.add(pid)?;
            Ok((pid, pidfd))
        };
        let (pid, pidfd) = started().map_err(|error| failed(error.to_string()))?;
        let record = WorkerRecord {
            domain: domain.clone(),
            pid: pid.as_raw_nonzero().get(),
            uid,
            protocol: VERSION,
        };
        keeper
            .put(&kept(&domain), &[&ours, &pidfd])
            .await
            .map_err(|error| failed(error.to_string()))?;
        Self::of(record, ours, pidfd, cgroup, root).map_err(|error| failed(error.to_string()))
    }

    /// Takes over a worker of an earlier daemon, with the descriptors that were kept.
    pub(crate) fn adopt(paths: &Paths, record: WorkerRecord, kept: Vec<OwnedFd>) -> anyhow::Result<Self> {
        let [channel, pidfd] = <[OwnedFd; 2]>::try_from(kept)
            .map_err(|fds| anyhow::anyhow!("{} descriptors were kept where there should be 2", fds.len()))?;
        let cgroup = Cgroup::create(&paths.cgroup(), &record.domain.name)?;
        let root = paths.workers().join(&record.domain.name);
        Self::of(record, channel, pidfd, cgroup, root)
    }

    fn of(
        record: WorkerRecord,
        channel: OwnedFd,
        pidfd: OwnedFd,
        cgroup: Cgroup,
        root: PathBuf,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            record,
            channel: AsyncChannel::new(Channel::from_fd(channel)?)?,
            pidfd: watched(pidfd)?,
            oom_kills: cgroup.oom_kills(),
            cgroup,
            root,
            misunderstood: AtomicBool::default(),
            expected: std::sync::Mutex::default(),
            asked: Arc::new(Semaphore::new(MOST_ASKED)),
            turn: Mutex::default(),
        })
    }

    pub(crate) fn domain(&self) -> &Domain {
        &self.record.domain
    }

    /// Says something to it. An error means that it is dying, which [`Worker::died`] tells.
    pub(crate) async fn send(&self, message: &ToWorker, fds: &[&OwnedFd]) -> Result<(), Error> {
        let fds: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
        self.channel
            .send(message, &fds)
            .await
            .map_err(|error| Error::Worker {
                domain: self.domain().name.clone(),
                reason: error.to_string(),
            })
    }

    /// The greeting of a daemon, as it understands it.
    pub(crate) fn hello(&self) -> ToWorker {
        ToWorker::Hello(Version::ours().filter(|_| self.record.protocol > 1))
    }

    /// What it says next, and we understand: it may be of a newer version, after a rollback.
    pub(crate) async fn recv(&self) -> Result<Option<FromWorker>, ChannelError> {
        loop {
            // It has no descriptors to give; whatever it sends is closed.
            match self.channel.recv::<Message<FromWorker>>().await? {
                None => return Ok(None),
                Some((Message::Known(message), _)) => return Ok(Some(message)),
                Some((Message::Unreadable { error, .. }, _)) => return Err(ChannelError::Decode(error)),
                Some((Message::Unknown { kind }, _)) => {
                    // Once: whoever has taken it over would fill the log.
                    if !self.misunderstood.swap(true, Ordering::Relaxed) {
                        let worker = &self.domain().name;
                        tracing::warn!(
                            worker,
                            "it says what this version does not know: {}",
                            kind.escape_debug()
                        );
                    }
                }
            }
        }
    }

    /// Puts a compiled file where it can open it. Others that could read it can't get at it: the cache is root's alone.
    pub(crate) fn link(&self, compiled: &Path, name: &str) -> Result<(), Error> {
        let path = self.root.join(name);
        fs::set_permissions(compiled, Permissions::from_mode(0o444))
            .map_err(Error::file("open up", compiled))?;
        match fs::hard_link(compiled, &path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::file("link", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Takes a file away that no task of it uses any more.
    pub(crate) fn unlink(&self, name: &str) {
        let _ = fs::remove_file(self.root.join(name));
    }

    pub(crate) fn kill(&self) {
        // It may have ended already.
        let _ = pidfd_send_signal(self.pidfd.get_ref(), Signal::KILL);
    }

    /// Waits for its end, however it comes.
    pub(crate) async fn died(&self) -> Death {
        // Readable when it has ended (pidfd_open(2)); an error can't happen to a descriptor that we hold.
        let _ = self.pidfd.readable().await;
        let waited = waitid(WaitId::PidFd(self.pidfd.get_ref().as_fd()), WaitIdOptions::EXITED);
        let text = match waited {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => format!("exit code {code}"),
                (_, Some(signal)) => format!("signal {signal}"),
                _ => "it ended".to_owned(),
            },
            // An earlier daemon's: the keeper reaps it.
            _ => "it ended".to_owned(),
        };
        Death {
            oom: self.cgroup.oom_kills() > self.oom_kills,
            text,
        }
    }

    /// Removes what is left of it. It has ended.
    pub(crate) async fn clean(&self, keeper: &Keeper) {
        keeper.forget(&kept(self.domain())).await;
        self.cgroup.remove();
        if let Err(error) = fs::remove_dir_all(&self.root) {
            tracing::warn!(path = %self.root.display(), "cannot remove a worker's folder: {error}");
        }
    }
}

/// The name under which the keeper holds a worker's channel and process.
pub(crate) fn kept(domain: &Domain) -> String {
    format!("worker/{}", domain.name)
}

/// `shoal-worker` lies beside us.
fn program() -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("shoal-worker"))
}

#[allow(unsafe_code, reason = "tokio cannot know that a type keeps its descriptor")]
fn watched(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` owns its descriptor and closes it when it is dropped, not before.
    let watched = unsafe { AsyncFd::register_with_interest(pidfd, tokio::io::Interest::READABLE) };
    watched.map_err(Into::into)
}
