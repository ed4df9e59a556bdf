//! A worker's process: started under a user of its own, watched, killed, cleaned up after. What is said to it is `worker`'s; what it
//! confines itself to, `shim/worker`'s.

use crate::cgroup::Cgroup;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::paths::Paths;
use crate::record::WorkerRecord;
use crate::{files, handover};
use async_trait::async_trait;
use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use shoal_artifact::Digest;
use shoal_channel::{Channel, INHERITED};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tokio::io::unix::AsyncFd;
use tokio::sync::OnceCell;

/// Where the worker finds the network namespace that it is to enter.
const NETNS: i32 = INHERITED + 1;

/// How a worker ended.
#[derive(Clone, Debug)]
pub(crate) struct Death {
    /// The kernel killed it for want of memory.
    pub(crate) oom: bool,
    /// In words.
    pub(crate) text: String,
}

/// A process that runs components.
#[async_trait]
pub(crate) trait Process: Send + Sync {
    /// Kills it, unless it has ended.
    fn kill(&self);

    /// Waits for its end, however it comes. SIGKILL doesn't end a process for as long as a thread of it waits in the kernel for something
    /// that can't be interrupted, such as a file system's answer.
    async fn died(&self) -> Death;

    /// Whether it was killed, and only threads that the kernel holds are left of it.
    fn is_held(&self) -> bool;

    /// Puts a compiled file where it can open it.
    fn link(&self, compiled: &Path, name: &str) -> Result<(), Error>;

    /// Takes a file away that no task of it uses any more.
    fn unlink(&self, name: &str);

    /// The socket that it listens with on this port, in the network namespace at `netns` or in ours: the same socket, not another one.
    fn listener(&self, netns: Option<&Path>, port: u16) -> io::Result<Option<OwnedFd>>;

    /// Removes what is left of it. It has ended.
    fn clean(&self);
}

/// Starts workers.
#[async_trait]
pub(crate) trait Launch: Send + Sync {
    /// The digest of the program that workers run.
    async fn build(&self) -> Result<String, Error>;

    /// Starts the worker that `record` describes, but for its process id; its channel with it. The keeper has copies when this returns.
    async fn launch(&self, record: WorkerRecord, keeper: &Keeper) -> Result<Launched, Error>;
}

/// A worker that was started.
pub(crate) struct Launched {
    pub(crate) record: WorkerRecord,
    pub(crate) channel: OwnedFd,
    pub(crate) process: Box<dyn Process>,
}

/// The real one: `shoal-worker`, beside this program.
pub(crate) struct Programs {
    paths: Paths,
    build: OnceCell<String>,
}

impl Programs {
    pub(crate) fn new(paths: Paths) -> Self {
        let build = OnceCell::new();
        Self { paths, build }
    }
}

#[async_trait]
impl Launch for Programs {
    async fn build(&self) -> Result<String, Error> {
        let reading = files::on_the_node(|| Ok(Digest::of(&fs::read(program()?)?).to_string()));
        let build = self.build.get_or_try_init(|| reading).await;
        build
            .cloned()
            .map_err(Error::file("read", Path::new("shoal-worker")))
    }

    async fn launch(&self, record: WorkerRecord, keeper: &Keeper) -> Result<Launched, Error> {
        let paths = self.paths.clone();
        let domain = record.domain.name.clone();
        let failed = |reason: String| Error::Worker {
            domain: domain.clone(),
            reason,
        };
        // It makes folders and control groups, and waits for an exec.
        let spawning = tokio::task::spawn_blocking(move || spawn(&paths, record));
        let spawned = spawning.await.map_err(|error| failed(error.to_string()))??;
        let Spawned {
            record,
            channel,
            pidfd,
            cgroup,
            root,
        } = spawned;
        let kept = keeper.put(&kept(&record), &[&channel, &pidfd]).await;
        let process = Native::new(&record, pidfd, cgroup, root).map_err(|error| failed(error.to_string()))?;
        if let Err(error) = kept {
            process.kill();
            return Err(failed(error.to_string()));
        }
        Ok(Launched {
            record,
            channel,
            process: Box::new(process),
        })
    }
}

struct Spawned {
    record: WorkerRecord,
    channel: OwnedFd,
    pidfd: OwnedFd,
    cgroup: Cgroup,
    root: PathBuf,
}

fn spawn(paths: &Paths, mut record: WorkerRecord) -> Result<Spawned, Error> {
    let failed = |reason: String| Error::Worker {
        domain: record.domain.name.clone(),
        reason,
    };
    let root = paths.workers().join(record.name());
    // Links of an earlier worker of this name.
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(&root).map_err(Error::file("create", &root))?;
    fs::set_permissions(&root, Permissions::from_mode(0o755)).map_err(Error::file("open up", &root))?;
    let (ours, theirs) = Channel::pair().map_err(|error| failed(error.to_string()))?;
    let program = program().map_err(|error| failed(error.to_string()))?;
    let mut command = command(&program, &root, &record, theirs)?;
    let cgroup =
        Cgroup::create(&paths.cgroup(), &record.name()).map_err(|error| failed(error.to_string()))?;
    let mut child = command
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
    let (pid, pidfd) = match started() {
        Ok(started) => started,
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed(error.to_string()));
        }
    };
    record.pid = pid.as_raw_nonzero().get();
    Ok(Spawned {
        record,
        channel: ours.into(),
        pidfd,
        cgroup,
        root,
    })
}

fn command(program: &Path, root: &Path, record: &WorkerRecord, channel: Channel) -> Result<Command, Error> {
    let user = record.uid.to_string();
    let mut command = Command::new(program);
    command
        .arg("--root")
        .arg(root)
        .args(["--uid", &user, "--gid", &user])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .env_clear()
        .current_dir("/");
    if record.domain.directories {
        command.arg("--directories");
    }
    let mut fds = vec![FdMapping {
        parent_fd: OwnedFd::from(channel),
        child_fd: INHERITED,
    }];
    if let Some(netns) = &record.domain.netns {
        command.arg("--network");
        let file = File::open(netns).map_err(Error::file("open", netns))?;
        fds.push(FdMapping {
            parent_fd: file.into(),
            child_fd: NETNS,
        });
    }
    command.fd_mappings(fds).map_err(|error| Error::Worker {
        domain: record.domain.name.clone(),
        reason: error.to_string(),
    })?;
    Ok(command)
}

/// `shoal-worker` lies beside us.
fn program() -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("shoal-worker"))
}

/// The name under which the keeper holds a worker's channel and process.
pub(crate) fn kept(record: &WorkerRecord) -> String {
    format!("worker/{}", record.name())
}

/// Takes over a worker of an earlier daemon, with the descriptors that were kept.
pub(crate) fn adopt(paths: &Paths, record: WorkerRecord, kept: Vec<OwnedFd>) -> anyhow::Result<Launched> {
    let [channel, pidfd] = <[OwnedFd; 2]>::try_from(kept)
        .map_err(|fds| anyhow::anyhow!("{} descriptors were kept where there should be 2", fds.len()))?;
    let cgroup = Cgroup::create(&paths.cgroup(), &record.name())?;
    let root = paths.workers().join(record.name());
    let process = Native::new(&record, pidfd, cgroup, root)?;
    Ok(Launched {
        record,
        channel,
        process: Box::new(process),
    })
}

struct Native {
    pid: i32,
    pidfd: AsyncFd<OwnedFd>,
    cgroup: Cgroup,
    oom_kills: u64,
    root: PathBuf,
}

impl Native {
    fn new(record: &WorkerRecord, pidfd: OwnedFd, cgroup: Cgroup, root: PathBuf) -> io::Result<Self> {
        Ok(Self {
            pid: record.pid,
            pidfd: watched(pidfd)?,
            oom_kills: cgroup.oom_kills(),
            cgroup,
            root,
        })
    }
}

#[async_trait]
impl Process for Native {
    fn kill(&self) {
        // It may have ended already.
        let _ = pidfd_send_signal(self.pidfd.get_ref(), Signal::KILL);
    }

    async fn died(&self) -> Death {
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

    fn is_held(&self) -> bool {
        // The number is its own until it was reaped, which comes after its death was seen.
        fs::read_to_string(format!("/proc/{}/status", self.pid)).is_ok_and(|status| is_killed(&status))
    }

    fn link(&self, compiled: &Path, name: &str) -> Result<(), Error> {
        let path = self.root.join(name);
        // Others that could read it can't get at it: the cache is root's alone.
        fs::set_permissions(compiled, Permissions::from_mode(0o444))
            .map_err(Error::file("open up", compiled))?;
        match fs::hard_link(compiled, &path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::file("link", &path)(error))
            }
            _ => Ok(()),
        }
    }

    fn unlink(&self, name: &str) {
        let _ = fs::remove_file(self.root.join(name));
    }

    fn listener(&self, netns: Option<&Path>, port: u16) -> io::Result<Option<OwnedFd>> {
        handover::listener(self.pid, self.pidfd.get_ref().as_fd(), netns, port)
    }

    fn clean(&self) {
        self.cgroup.remove();
        if let Err(error) = fs::remove_dir_all(&self.root) {
            tracing::warn!(path = %self.root.display(), "cannot remove a worker's folder: {error}");
        }
    }
}

/// Whether /proc/PID/status (proc_pid_status(5)) is that of a process whose first thread has ended, or has SIGKILL waiting for it.
fn is_killed(status: &str) -> bool {
    const SIGKILL: u64 = 1 << 8;
    let ended = |value: &str| value.starts_with('Z') || value.starts_with('X');
    let pending = |value: &str| u64::from_str_radix(value, 16).is_ok_and(|set| set & SIGKILL != 0);
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    lines.any(|(name, value)| match name {
        "State" => ended(value.trim()),
        "SigPnd" | "ShdPnd" => pending(value.trim()),
        _ => false,
    })
}

#[allow(unsafe_code, reason = "tokio cannot know that a type keeps its descriptor")]
fn watched(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` owns its descriptor and closes it when it is dropped, not before.
    let watched = unsafe { AsyncFd::register_with_interest(pidfd, tokio::io::Interest::READABLE) };
    watched.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_was_killed_is_told_from_one_that_runs() {
        let runs = "Name:\tshoal-worker\nState:\tS (sleeping)\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\n";
        assert!(!is_killed(runs));
        assert!(is_killed(&runs.replace("S (sleeping)", "Z (zombie)")));
        let held = runs.replace("S (sleeping)", "D (disk sleep)");
        assert!(!is_killed(&held), "it waits for a disk");
        assert!(is_killed(
            &held.replace("SigPnd:\t0000000000000000", "SigPnd:\t0000000000000100")
        ));
        assert!(!is_killed(""));
    }
}
