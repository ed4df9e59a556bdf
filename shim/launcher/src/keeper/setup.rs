//! How a process becomes the keeper: what it takes from the system before it starts anything.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use anyhow::Context;
use rustix::fs::FlockOperation;
use rustix::process::{Resource, Rlimit};
use shoal_channel::node::Folders;
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};

use super::{log, socket};

/// The kernel takes other processes first. -999 is kubelet's (`oomScoreAdj`), and what it needs to restart us.
const OOM_SCORE: &str = "-998";

/// What the keeper holds from its start to its end.
#[derive(Debug)]
pub(crate) struct Setup {
    /// Released when the process ends: until then no other keeper starts.
    lock: File,
    pub(crate) listener: OwnedFd,
    /// Readable after SIGCHLD.
    pub(crate) child_ended: UnixStream,
    /// Readable after SIGTERM or SIGINT.
    pub(crate) told_to_end: UnixStream,
}

impl Setup {
    pub(crate) fn new(folders: &Folders) -> anyhow::Result<Setup> {
        crate::folders::prepare(folders)?;
        // Started by `start`, it is in the process group of a launcher of one pod. Started by hand, it may be a leader already.
        let _ = rustix::process::setsid();
        std::env::set_current_dir("/").context("cannot change to /")?;
        let lock = lock(folders)?;
        log::open(&folders.log()).context("the log")?;
        raise_descriptor_limit();
        if let Err(error) = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE) {
            log::line(format_args!("oom_score_adj stays as it is: {error}"));
        }
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .context("PR_SET_CHILD_SUBREAPER")?;
        let path = folders.shim_socket();
        // We hold the lock: whoever made this is dead.
        let _ = std::fs::remove_file(&path);
        let listener =
            socket::listen_at(&path).with_context(|| format!("cannot listen at {}", path.display()))?;
        Ok(Setup {
            lock,
            listener,
            child_ended: signals(&[SIGCHLD])?,
            told_to_end: signals(&[SIGTERM, SIGINT])?,
        })
    }
}

impl Setup {
    /// The number in the lock's file is about to be somebody else's.
    pub(crate) fn forget_process(&self) {
        let _ = self.lock.set_len(0);
    }
}

/// Waits for a keeper that is about to end; its daemon and ours must not run at once.
fn lock(folders: &Folders) -> anyhow::Result<File> {
    let path = folders.run.join("keeper.lock");
    let open = || -> std::io::Result<File> {
        let mut file = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&path)?;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))?;
        // For whoever has to end it.
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(file)
    };
    open().with_context(|| format!("cannot lock {}", path.display()))
}

/// Two descriptors for each connection, and those that are kept.
fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, raised) {
        log::line(format_args!("the limit of open files stays as it is: {error}"));
    }
}

fn signals(numbers: &[i32]) -> anyhow::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    for number in numbers {
        signal_hook::low_level::pipe::register(*number, write.try_clone()?)?;
    }
    Ok(read)
}

/// Tells the launcher that waits, and lets go of it.
pub(crate) fn say_ready() -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    // Started by hand, nobody may be there to read it.
    let _ = out.write_all(super::READY).and_then(|()| out.flush());
    let nothing = File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nothing)?;
    Ok(())
}
