//! The real `shoal`, as a child process: started, listened to, ended by its process id.

use crate::log::Log;
use crate::{PATIENCE, binaries, until};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A variable that every `shoal` of the tests has in its environment and no guest may see.
pub const MARK: (&str, &str) = ("SHOAL_E2E_MARK", "seen-by-no-guest");

/// A `shoal` command with nothing of this process's environment but what the tests give it.
fn command(cache: &Path, home: &Path) -> Command {
    let mut command = Command::new(binaries::shoal());
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("SHOAL_CACHE", cache)
        .env(MARK.0, MARK.1);
    command
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Ended {
    /// Fails unless it ended with this code and says all of this on standard error.
    #[track_caller]
    pub fn failed(&self, code: i32, says: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for text in says {
            assert!(
                self.stderr.contains(text),
                "{text:?} is not in what it says: {self:#?}"
            );
        }
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self
    }

    /// Fails unless it ended with 0.
    #[track_caller]
    pub fn succeeded(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }
}

/// Runs `shoal` with these arguments to its end.
pub fn run(arguments: &[&str]) -> Ended {
    run_with(arguments, b"", &[], &binaries::cache())
}

/// Runs `shoal` to its end, with standard input, variables and a cache.
pub fn run_with(arguments: &[&str], stdin: &[u8], variables: &[(&str, &str)], cache: &Path) -> Ended {
    let home = tempfile::tempdir().unwrap();
    let mut command = command(cache, home.path());
    command.args(arguments).envs(variables.iter().copied());
    finish(command.current_dir(home.path()), stdin)
}

fn finish(command: &mut Command, stdin: &[u8]) -> Ended {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("shoal starts");
    let mut input = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    // Fails where the program does not read it.
    let writing = std::thread::spawn(move || drop(input.write_all(&stdin)));
    let pid = pid(&child);
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        if wait.recv_timeout(PATIENCE * 2) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = kill_process(pid, Signal::KILL);
        }
    });
    let output = child.wait_with_output().expect("its output");
    drop(done);
    watchdog.join().unwrap();
    writing.join().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// A `shoal up` to be started.
pub struct Up {
    folder: TempDir,
    manifests: Vec<PathBuf>,
    services: usize,
    arguments: Vec<OsString>,
    variables: Vec<(String, OsString)>,
    cache: PathBuf,
    small_disk: Option<(PathBuf, u32)>,
}

impl Default for Up {
    fn default() -> Self {
        Self::new()
    }
}

impl Up {
    /// Without a manifest yet.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            manifests: Vec::new(),
            services: 0,
            arguments: Vec::new(),
            variables: Vec::new(),
            cache: binaries::cache(),
            small_disk: None,
        }
    }

    /// Mounts a file system of so many KiB over a folder, seen by this `shoal` alone and gone with it.
    pub fn small_disk(mut self, folder: &Path, kib: u32) -> Self {
        self.small_disk = Some((folder.to_owned(), kib));
        self
    }

    /// Adds a manifest, as a file of its own.
    pub fn manifest(mut self, text: &str) -> Self {
        let path = self
            .folder
            .path()
            .join(format!("manifest-{}.yaml", self.manifests.len()));
        std::fs::write(&path, text).unwrap();
        self.manifests.push(path);
        self.services += text.matches("WasmService").count();
        self
    }

    /// Adds a manifest that is there already, with the number of services that it holds.
    pub fn file(mut self, path: &Path, services: usize) -> Self {
        self.manifests.push(path.to_owned());
        self.services += services;
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds a variable.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Uses another cache than the one that all share.
    pub fn cache(mut self, cache: &Path) -> Self {
        cache.clone_into(&mut self.cache);
        self
    }

    fn command(&self, format: &str) -> Command {
        let mut command = command(&self.cache, self.folder.path());
        if let Some((folder, kib)) = &self.small_disk {
            // Each becomes the next by exec, so that the process is `shoal`'s own in the end.
            let mount = format!("mount -t tmpfs -o size={kib}k small \"$1\" && shift && exec \"$@\"");
            let mut wrapped = Command::new("unshare");
            wrapped.args(["--user", "--map-root-user", "--mount", "sh", "-c", &mount, "sh"]);
            wrapped.arg(folder).arg(command.get_program()).env_clear();
            wrapped.envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
            command = wrapped;
        }
        command
            .args(["up", "-o", format, "--listen", "127.0.0.1:0"])
            .args(&self.arguments)
            .args(&self.manifests);
        command
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path());
        command
    }

    /// Starts it and waits until every service answers.
    pub async fn start(self) -> Shoal {
        let mut child = self
            .command("json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("shoal starts");
        let log = Log::default();
        log.follow(child.stdout.take().unwrap());
        log.follow(child.stderr.take().unwrap());
        let mut shoal = Shoal {
            child,
            log,
            folder: self.folder,
            ended: None,
        };
        // The first time, every component has to be compiled.
        let limit = Instant::now() + PATIENCE * 5;
        while shoal.ready() < self.services {
            if let Some(status) = shoal.ended() {
                panic!("shoal up ended with {status}: {}", shoal.log.tail());
            }
            assert!(
                Instant::now() < limit,
                "shoal up does not come up: {}",
                shoal.log.tail()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shoal
    }

    /// Starts it and waits for its end, which it must come to by itself. What it says is text for people.
    pub fn fails(self) -> Ended {
        finish(&mut self.command("text"), b"")
    }
}

/// A running `shoal up`. It is asked to end when this is dropped.
pub struct Shoal {
    child: Child,
    /// What it wrote.
    pub log: Log,
    folder: TempDir,
    ended: Option<ExitStatus>,
}

impl Shoal {
    /// Starts one manifest.
    pub async fn up(manifest: &str) -> Self {
        Up::new().manifest(manifest).start().await
    }

    /// How many services are ready, whatever calls them.
    fn ready(&self) -> usize {
        let events = ["listening", "idle", "waiting"].map(|kind| self.log.events(kind));
        let names: BTreeSet<_> = events
            .iter()
            .flatten()
            .map(|event| event["service"].to_string())
            .collect();
        names.len()
    }

    /// Where each service listens.
    pub fn addresses(&self) -> BTreeMap<String, SocketAddr> {
        let of = |event: &serde_json::Value| {
            let address = event["url"]
                .as_str()?
                .strip_prefix("http://")?
                .trim_end_matches('/')
                .parse()
                .ok()?;
            Some((event["service"].as_str()?.to_owned(), address))
        };
        self.log.events("listening").iter().filter_map(of).collect()
    }

    /// Where a service listens.
    #[track_caller]
    pub fn at(&self, service: &str) -> SocketAddr {
        *self
            .addresses()
            .get(service)
            .unwrap_or_else(|| panic!("{service} does not listen: {}", self.log.tail()))
    }

    /// Where the only service listens.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        let addresses = self.addresses();
        assert_eq!(addresses.len(), 1);
        *addresses.values().next().unwrap()
    }

    /// The folder with its manifests.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until something is said by or of a service.
    pub async fn says(&self, service: &str, text: &str) -> String {
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            let found = self.log.of(service).into_iter().find(|said| said.contains(text));
            if let Some(found) = found {
                return found;
            }
            assert!(
                Instant::now() < limit,
                "nobody says {text:?} of {service}: {}",
                self.log.tail()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The most memory that it had resident so far, in KiB.
    pub fn most_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .expect("VmHWM");
        line.trim()
            .trim_end_matches(" kB")
            .parse()
            .expect("a number of KiB")
    }

    /// File descriptors that it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .count()
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        kill_process(pid(&self.child), Signal::TERM).expect("it is there to be asked");
    }

    /// Ends it where it stands, as a crash of the machine's memory would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.ended = Some(self.child.wait().expect("its end"));
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended
    }

    /// Waits for its end.
    pub async fn end(&mut self) -> ExitStatus {
        until("the end of shoal up", || self.ended()).await
    }
}

impl Drop for Shoal {
    fn drop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        // Requests may still be in flight, which it would wait for: the second time it does not.
        for signal in [Signal::TERM, Signal::TERM, Signal::KILL] {
            let _ = kill_process(pid(&self.child), signal);
            let limit = Instant::now() + Duration::from_secs(2);
            while Instant::now() < limit {
                if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = self.child.wait();
    }
}
