//! Plays the daemon: starts a real worker as root, and speaks the real protocol with it.

use command_fds::{CommandFdExt, FdMapping};
use shoal_api::pod::Values;
use shoal_api::{Capabilities, Component};
use shoal_channel::{AsyncChannel, Channel};
use shoal_protocol::{Exit, FromWorker, Role, Task, TaskState, ToWorker, Version};
use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

mod guest;

pub(crate) use guest::{Code, guest};

/// Nothing here takes long; what never comes must not hang the tests.
const PATIENCE: Duration = Duration::from_secs(60);
/// A user that no system has.
pub(crate) const USER: u32 = 4_000_123;

/// A worker and its daemon's end of the channel.
pub(crate) struct Worker {
    pub(crate) child: Child,
    pub(crate) channel: AsyncChannel,
    /// What the keeper would hold: the same end.
    kept: OwnedFd,
    root: TempDir,
    /// Where the files of stores are, which the worker is given and can't reach.
    files: Arc<TempDir>,
    /// The directories that tasks are granted, by their volumes.
    pub(crate) directories: HashMap<String, OwnedFd>,
    /// Packets that came before somebody waited for them.
    seen: VecDeque<(FromWorker, Vec<OwnedFd>)>,
}

/// What a task is given, at our end.
pub(crate) struct Ends {
    pub(crate) stdout: std::io::PipeReader,
    pub(crate) stderr: std::io::PipeReader,
    pub(crate) address: SocketAddr,
}

/// The worker's program with this end of a channel as its descriptor 3, confined as `arguments` say.
pub(crate) fn command(program: &Path, root: &Path, channel: OwnedFd, network: Option<OwnedFd>) -> Command {
    let mut command = Command::new(program);
    let user = USER.to_string();
    command
        .args(["--root", root.to_str().unwrap(), "--uid", &user, "--gid", &user])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut descriptors = vec![FdMapping {
        parent_fd: channel,
        child_fd: 3,
    }];
    if let Some(parent_fd) = network {
        command.arg("--network");
        descriptors.push(FdMapping {
            parent_fd,
            child_fd: 4,
        });
    }
    command.fd_mappings(descriptors).unwrap();
    command
}

/// A folder that a worker may have as its root.
pub(crate) fn root() -> TempDir {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    root
}

impl Worker {
    pub(crate) fn start() -> Self {
        Self::start_in(None)
    }

    /// With the network namespace of a pod.
    pub(crate) fn start_in(network: Option<OwnedFd>) -> Self {
        Self::start_with(network, &[])
    }

    /// For tasks that come with directories.
    pub(crate) fn start_for_directories() -> Self {
        Self::start_with(None, &["--directories"])
    }

    fn start_with(network: Option<OwnedFd>, arguments: &[&str]) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests start workers as shoald does: run them as root"
        );
        let (ours, theirs) = Channel::pair().unwrap();
        let root = root();
        let program = Path::new(env!("CARGO_BIN_EXE_shoal-worker"));
        let child = command(program, root.path(), theirs.into(), network)
            .args(arguments)
            .spawn()
            .unwrap();
        let kept = ours.as_fd().try_clone_to_owned().unwrap();
        Self {
            child,
            channel: AsyncChannel::new(ours).unwrap(),
            kept,
            root,
            files: Arc::new(tempfile::tempdir().unwrap()),
            directories: HashMap::new(),
            seen: VecDeque::new(),
        }
    }

    /// Kills it, and starts another that is given the same files.
    pub(crate) fn killed(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut next = Self::start();
        next.files = Arc::clone(&self.files);
        next
    }

    /// Another daemon takes the place of the one so far, which is gone.
    pub(crate) fn restart_daemon(&mut self) {
        let kept = self.kept.try_clone().unwrap();
        self.channel = AsyncChannel::new(Channel::from_fd(kept).unwrap()).unwrap();
        self.seen.clear();
    }

    /// Closes the channel, the keeper's copy too, and waits for what the worker makes of that.
    pub(crate) fn close(&mut self) -> std::process::ExitStatus {
        let (other, _) = Channel::pair().unwrap();
        self.kept = other.as_fd().try_clone_to_owned().unwrap();
        self.channel = AsyncChannel::new(other).unwrap();
        self.child.wait().unwrap()
    }

    pub(crate) async fn tell(&self, message: &ToWorker, descriptors: &[BorrowedFd<'_>]) {
        self.channel.send(message, descriptors).await.unwrap();
    }

    /// Sends what is no message of this version.
    pub(crate) async fn say(&self, message: serde_json::Value) {
        self.channel.send(&message, &[]).await.unwrap();
    }

    /// The first packet that `wanted` takes; others wait for who wants them.
    pub(crate) async fn hear<T>(&mut self, wanted: impl Fn(&FromWorker) -> Option<T>) -> T {
        let waiting = self.seen.iter().position(|(packet, _)| wanted(packet).is_some());
        if let Some((packet, _)) = waiting.and_then(|index| self.seen.remove(index)) {
            return wanted(&packet).unwrap();
        }
        let heard = async {
            loop {
                let packet = self.channel.recv::<FromWorker>().await.unwrap();
                let (packet, descriptors) = packet.expect("the worker lives");
                if let Some(heard) = wanted(&packet) {
                    return heard;
                }
                self.seen.push_back((packet, descriptors));
            }
        };
        let heard = tokio::time::timeout(PATIENCE, heard).await;
        heard.unwrap_or_else(|_| panic!("it was not said; what was: {:?}", self.seen))
    }

    /// Starts `task`; its end of a listening socket is closed here, as the daemon's is once the worker has one.
    pub(crate) async fn start_task(&mut self, task: Task, code: &Code) -> Ends {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        self.start_on(task, code, &listener).await
    }

    /// Sends `task`, and hears nothing yet.
    pub(crate) async fn send_task(&mut self, task: Task, code: &Code) -> Ends {
        self.link(&task, code);
        self.send(task).await
    }

    fn link(&self, task: &Task, code: &Code) {
        let name = self.root.path().join(&task.code);
        if !name.exists() {
            std::fs::hard_link(&code.path, &name).unwrap();
        }
    }

    /// Sends `task` whose code is there already, or is not; the files of its stores are in `files`, where nobody but us can open them.
    pub(crate) async fn send(&mut self, task: Task) -> Ends {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        self.send_on(task, &listener).await
    }

    /// Starts `task` on a socket that we keep, as another worker may have it too.
    pub(crate) async fn start_on(&mut self, task: Task, code: &Code, listener: &TcpListener) -> Ends {
        self.link(&task, code);
        let id = task.id.clone();
        let ends = self.send_on(task, listener).await;
        assert_eq!(self.started(&id).await, None, "{id}");
        ends
    }

    async fn send_on(&mut self, task: Task, listener: &TcpListener) -> Ends {
        let opened = |(store, _): (&str, &str)| {
            let mut options = std::fs::File::options();
            let options = options.read(true).write(true).create(true);
            options
                .truncate(false)
                .open(self.files.path().join(store))
                .unwrap()
        };
        let files: Vec<_> = task.files().map(opened).collect();
        let directories: Vec<_> = task
            .directories()
            .map(|it| self.directories[&it.volume].try_clone().unwrap())
            .collect();
        let (stdout, out) = std::io::pipe().unwrap();
        let (stderr, err) = std::io::pipe().unwrap();
        let address = listener.local_addr().unwrap();
        let serves = task.role == Role::Serve;
        let task = ToWorker::Start { task: Box::new(task) };
        let mut all = vec![out.as_fd(), err.as_fd()];
        all.extend(serves.then_some(listener.as_fd()));
        all.extend(files.iter().map(AsFd::as_fd));
        all.extend(directories.iter().map(AsFd::as_fd));
        self.tell(&task, &all).await;
        Ends {
            stdout,
            stderr,
            address,
        }
    }

    /// None where it has started, or why not.
    pub(crate) async fn started(&mut self, id: &str) -> Option<String> {
        self.hear(|packet| match packet {
            FromWorker::Started { id: of } if of == id => Some(None),
            FromWorker::Failed { id: of, reason } if of == id => Some(Some(reason.clone())),
            _ => None,
        })
        .await
    }

    pub(crate) async fn ended(&mut self, id: &str) -> Exit {
        self.hear(|packet| match packet {
            FromWorker::Ended { id: of, exit } if of == id => Some(exit.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn state(&mut self) -> Vec<TaskState> {
        self.tell(&ToWorker::Hello(Version::ours()), &[]).await;
        self.hear(|packet| match packet {
            FromWorker::State { tasks, .. } => Some(tasks.clone()),
            _ => None,
        })
        .await
    }

    /// `/proc/PID/status` of each of its threads.
    pub(crate) fn statuses(&self) -> Vec<String> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let status = |thread: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap()
        };
        threads.map(status).collect()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A task that runs `code`, granted nothing.
pub(crate) fn task(id: &str, code: &Code) -> Task {
    let component = Component {
        name: "web".to_owned(),
        image: Some("registry.example/web:1".to_owned()),
        ..Component::default()
    };
    let serves = code.description.export("wasi:cli/run").is_none();
    Task {
        id: id.to_owned(),
        pod: "default/web-0".to_owned(),
        component,
        code: code.path.file_name().unwrap().to_str().unwrap().to_owned(),
        digest: format!("sha256:{}", "0".repeat(64)),
        description: code.description.clone(),
        role: if serves { Role::Serve } else { Role::Run },
        sandbox: id.to_owned(),
        service: ("default".to_owned(), "web".to_owned()),
        values: Values::default(),
        stores: Vec::new(),
        triggers: Vec::new(),
        parts: Vec::new(),
        front: None,
        http: Vec::new(),
    }
}

pub(crate) fn granted(id: &str, code: &Code, capabilities: serde_json::Value) -> Task {
    let capabilities: Capabilities = serde_json::from_value(capabilities).unwrap();
    let mut task = task(id, code);
    task.component.capabilities = capabilities;
    task
}

/// Sends a request and reads its answer to the end of the connection.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || try_get(address, &path).unwrap())
        .await
        .unwrap()
}

pub(crate) fn try_get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: pod\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The next line of a task's output.
pub(crate) async fn line(pipe: &std::io::PipeReader) -> String {
    let mut pipe = pipe.try_clone().unwrap();
    let reading = tokio::task::spawn_blocking(move || {
        let (mut line, mut byte) = (Vec::new(), [0]);
        while pipe.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.extend(byte);
        }
        String::from_utf8(line).unwrap()
    });
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("a line")
        .unwrap()
}
