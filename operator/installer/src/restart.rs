//! containerd is restarted as the node does it: its unit of systemd, or a command that the user gave.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::process::Command;

use crate::error::Error;

/// The action of this program that runs a command among the node's mounts. systemctl does nothing in a chroot.
pub const ON_NODE: &str = "on-node";
/// k3s comes back with an API server.
const PATIENCE: Duration = Duration::from_mins(3);

/// How it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restart {
    /// `systemctl restart UNIT`.
    Unit(String),
    /// A command for the node's shell.
    Command(String),
}

impl Restart {
    /// As it would be typed.
    pub fn command(&self) -> String {
        match self {
            Self::Unit(unit) => format!("systemctl restart {unit}"),
            Self::Command(command) => command.clone(),
        }
    }

    pub(crate) async fn run(&self) -> Result<(), Error> {
        let wrong = |reason: String| Error::Restart {
            command: self.command(),
            reason,
        };
        let mut command = match self {
            Self::Unit(unit) => {
                let mut command = Command::new("/proc/self/exe");
                command.args([ON_NODE, "systemctl", "restart", unit]);
                command
            }
            Self::Command(text) => {
                let mut command = Command::new("/bin/sh");
                command.args(["-c", text]);
                command
            }
        };
        command
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .current_dir("/")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output()).await;
        let output = output.map_err(|_| wrong(format!("it has not ended after {} s", PATIENCE.as_secs())))?;
        let output = output.map_err(|error| wrong(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        Err(wrong(format!("{}: {}", output.status, said.join(" / "))))
    }
}

/// Becomes `command` among the mounts of the node's first process. Only returns where that fails. The process must have one thread.
pub fn on_node(command: &[String]) -> std::io::Error {
    let Some((program, arguments)) = command.split_first() else {
        return std::io::Error::other("there is no command to run");
    };
    let mounts = Path::new("/proc/1/ns/mnt");
    let entered =
        rustix::fs::open(mounts, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).and_then(|mounts| {
            move_into_link_name_space(std::os::fd::AsFd::as_fd(&mounts), Some(LinkNameSpaceType::Mount))
        });
    match entered {
        Ok(()) => std::process::Command::new(program).args(arguments).exec(),
        Err(error) => std::io::Error::other(format!("the node's mounts can't be entered: {error}")),
    }
}
