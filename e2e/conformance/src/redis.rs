//! Debian's redis-server and redis-sentinel, on ports of this machine's choice and ended by their process ids.

use rustix::process::{Pid, Signal, kill_process};
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server, which keeps what it was told on disk.
pub struct Redis {
    /// Its port.
    pub port: u16,
    /// Its address: 127.0.0.1, or one of the network that it is in.
    pub host: String,
    /// What brings programs into that network.
    enter: Vec<String>,
    program: &'static str,
    arguments: Vec<String>,
    folder: TempDir,
    child: Child,
}

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

impl Redis {
    /// Starts a server that writes each command to disk before it answers.
    pub fn start() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Starts a server with these options.
    pub fn with(options: &[&str]) -> Self {
        let arguments = options.iter().map(|it| (*it).to_owned()).collect();
        Self::program(
            "redis-server",
            arguments,
            free_port(),
            tempfile::tempdir().unwrap(),
        )
    }

    /// Starts a sentinel that watches `master` and fails over after a second.
    pub fn sentinel(master: &Self) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n",
            master.port
        );
        std::fs::write(&file, text).unwrap();
        let arguments = vec![file.to_str().unwrap().to_owned(), "--sentinel".to_owned()];
        Self::program("redis-server", arguments, port, folder)
    }

    /// Starts a server in a network namespace of `ip netns`, at an address of it that others reach it by.
    pub fn within(netns: &str, host: &str) -> Self {
        let arguments = [
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--protected-mode",
            "no",
        ];
        let arguments = arguments.iter().map(|it| (*it).to_owned()).collect();
        let enter = vec![
            "nsenter".to_owned(),
            format!("--net=/var/run/netns/{netns}"),
            "--".to_owned(),
        ];
        // A port that is free on this machine tells this server from others of the namespace, too.
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        Self::start_at((host, enter), "redis-server", arguments, port, folder)
    }

    fn program(program: &'static str, arguments: Vec<String>, port: u16, folder: TempDir) -> Self {
        Self::start_at(("127.0.0.1", Vec::new()), program, arguments, port, folder)
    }

    fn start_at(
        (host, enter): (&str, Vec<String>),
        program: &'static str,
        arguments: Vec<String>,
        port: u16,
        folder: TempDir,
    ) -> Self {
        let child = spawn(&enter, program, &arguments, (host, port), folder.path().into());
        let redis = Self {
            port,
            host: host.to_owned(),
            enter,
            program,
            arguments,
            folder,
            child,
        };
        redis.ready();
        redis
    }

    fn ready(&self) {
        let limit = Instant::now() + Duration::from_secs(30);
        while !self.try_say(&["PING"]).contains("PONG") {
            assert!(Instant::now() < limit, "{} does not come up", self.program);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// `redis://host:port`.
    pub fn url(&self) -> String {
        format!("redis://{}:{}", self.host, self.port)
    }

    /// What redis-cli says to a command.
    #[track_caller]
    pub fn say(&self, words: &[&str]) -> String {
        let said = self.try_say(words);
        let error = [
            "ERR",
            "OOM",
            "Could not connect",
            "READONLY",
            "WRONGTYPE",
            "NOGROUP",
        ];
        assert!(!error.iter().any(|it| said.starts_with(it)), "{words:?}: {said}");
        said
    }

    /// The same, whatever it says.
    pub fn try_say(&self, words: &[&str]) -> String {
        cli(&self.enter, (&self.host, self.port), words, "")
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Stops it where it stands, until it is resumed.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on what it kept.
    pub fn again(&mut self) {
        self.child = spawn(
            &self.enter,
            self.program,
            &self.arguments,
            (&self.host, self.port),
            self.folder.path().into(),
        );
        self.ready();
    }
}

/// What redis-cli says to a command for the server at a port, whatever it says.
pub fn try_say(port: u16, words: &[&str]) -> String {
    cli(&[], ("127.0.0.1", port), words, "")
}

/// What it says to several commands by one connection, line by line.
pub fn converse(port: u16, commands: &[&str]) -> Vec<String> {
    let said = cli(&[], ("127.0.0.1", port), &[], &(commands.join("\n") + "\n"));
    said.lines().map(str::to_owned).collect()
}

fn cli(enter: &[String], (host, port): (&str, u16), words: &[&str], input: &str) -> String {
    let mut cli = command(enter, "redis-cli")
        .args(["-h", host, "-p", &port.to_string()])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("redis-cli: run `scripts/setup.sh test`");
    // Where it has ended already, its output says why.
    let _ = cli.stdin.take().unwrap().write_all(input.as_bytes());
    let output = cli.wait_with_output().unwrap();
    let said = if output.stdout.is_empty() {
        output.stderr
    } else {
        output.stdout
    };
    String::from_utf8_lossy(&said).trim_end().to_owned()
}

fn command(enter: &[String], program: &str) -> Command {
    let mut words = enter.iter().map(String::as_str).chain([program]);
    let mut command = Command::new(words.next().unwrap_or(program));
    command.args(words);
    command
}

fn spawn(
    enter: &[String],
    program: &str,
    arguments: &[String],
    (host, port): (&str, u16),
    folder: PathBuf,
) -> Child {
    let mut command = command(enter, program);
    command.args(arguments).current_dir(&folder);
    if !arguments.iter().any(|it| it == "--sentinel") {
        let port = port.to_string();
        command.args(["--port", &port, "--bind", host, "--save", "", "--dir"]);
        command.arg(&folder);
    }
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.expect("redis-server: run `scripts/setup.sh test`")
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
