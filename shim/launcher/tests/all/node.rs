//! A node for a test: folders of its own, a keeper that ends with it.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use containerd_shim_protos::shim_async::{Client, TaskClient};
use containerd_shim_protos::ttrpc::context::{Context, with_duration};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use shoal_channel::node::Folders;
use tempfile::TempDir;

/// Longer than anything here takes; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Node {
    pub(crate) folders: Folders,
    pub(crate) bundle: PathBuf,
    _folder: TempDir,
}

impl Node {
    pub(crate) fn new() -> Node {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("bundle")).expect("a folder");
        let folders = Folders {
            run: at("run"),
            root: at("root"),
        };
        Node {
            folders,
            bundle: at("bundle"),
            _folder: folder,
        }
    }

    /// Runs the launcher as containerd does.
    pub(crate) fn launcher(&self, args: &[&str]) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_containerd-shim-shoal-v1"));
        let daemon = program.with_file_name("examples").join("test-daemon");
        assert!(
            daemon.exists(),
            "{} is built by `cargo test -p shoal-launcher`",
            daemon.display()
        );
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(&self.bundle)
            .env("SHOAL_DAEMON", daemon);
        command
            .env("SHOAL_RUN", &self.folders.run)
            .env("SHOAL_ROOT", &self.folders.root);
        command.env("TTRPC_ADDRESS", "/run/containerd/containerd.sock.ttrpc");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = self.launcher(args).spawn().expect("started");
        // Whoever does not read it may have ended.
        let _ = child.stdin.take().expect("standard input").write_all(input);
        child.wait_with_output().expect("ended")
    }

    pub(crate) fn spawn_start(&self, id: &str) -> Child {
        let mut command = self.launcher(&["-namespace", "test", "-address", "/c.sock", "-id", id, "start"]);
        command.stdin(Stdio::null()).spawn().expect("started")
    }

    /// Starts the keeper and waits for its first daemon.
    pub(crate) async fn up(&self) {
        let output = self.spawn_start("up").wait_with_output().expect("ended");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        until("a daemon listens", || !self.daemons().is_empty()).await;
    }

    /// Processes that have listened as daemons, in order.
    pub(crate) fn daemons(&self) -> Vec<Pid> {
        let listed = std::fs::read_to_string(self.folders.run.join("daemons")).unwrap_or_default();
        listed
            .lines()
            .map(|line| pid(line.parse().expect("a number")))
            .collect()
    }

    /// kill -9 of the daemon; waits for the next one.
    pub(crate) async fn replace_daemon(&self) {
        let before = self.daemons();
        kill_process(*before.last().expect("a daemon"), Signal::KILL).expect("killed");
        until("another daemon listens", || self.daemons().len() > before.len()).await;
    }

    pub(crate) fn keeper(&self) -> Option<Pid> {
        let content = std::fs::read_to_string(self.folders.run.join("keeper.lock")).ok()?;
        Pid::from_raw(content.trim().parse().ok()?)
    }

    pub(crate) async fn client(&self) -> TaskClient {
        let address = format!("unix://{}", self.folders.shim_socket().display());
        TaskClient::new(Client::connect(&address).await.expect("connected"))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folders.run.join(name)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folders.log()).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(end) = self.keeper().and_then(End::of) {
            end.signal(Signal::TERM);
            if !end.has_come() {
                end.signal(Signal::KILL);
            }
        }
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// The end of a process that is not our child.
pub(crate) struct End {
    process: Pid,
    pidfd: OwnedFd,
}

impl End {
    /// None if it has ended already.
    pub(crate) fn of(process: Pid) -> Option<End> {
        let pidfd = pidfd_open(process, PidfdFlags::empty()).ok()?;
        Some(End { process, pidfd })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill_process(self.process, signal);
    }

    /// Waits for it.
    pub(crate) fn has_come(&self) -> bool {
        let timeout = PATIENCE.try_into().expect("a timeout");
        let mut polled = [PollFd::new(&self.pidfd, PollFlags::IN)];
        rustix::event::poll(&mut polled, Some(&timeout)).is_ok_and(|ready| ready > 0)
    }
}

pub(crate) fn pid(number: u32) -> Pid {
    Pid::from_raw(number.try_into().expect("a process's number")).expect("a process's number")
}

pub(crate) fn context() -> Context {
    with_duration(PATIENCE)
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
