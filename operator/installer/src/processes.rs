//! Processes of the node, by /proc: who listens at a socket, in which unit, and who runs a program of ours.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

/// A process, as far as it matters where it is containerd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) pid: i32,
    /// What it was started with.
    pub(crate) arguments: Vec<String>,
    /// Where it looks for programs.
    pub(crate) path: Vec<PathBuf>,
    /// What /proc/PID/cgroup says.
    pub(crate) cgroup: String,
}

/// Whether this process sees those of the node. /proc is the node's here, and calls us by our number there.
pub(crate) fn are_visible() -> bool {
    let ours = std::process::id().to_string();
    fs::read_link("/proc/self").is_ok_and(|number| number == Path::new(&ours))
}

/// The number of whoever listens at `socket`, where processes of the node are visible.
pub(crate) fn listener(socket: &Path) -> std::io::Result<i32> {
    let stream = UnixStream::connect(socket)?;
    let peer = rustix::net::sockopt::socket_peercred(&stream)?;
    Ok(peer.pid.as_raw_nonzero().get())
}

impl Process {
    pub(crate) fn of(pid: i32) -> Self {
        let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let words = |bytes: Vec<u8>| -> Vec<String> {
            let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
            words
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect()
        };
        let environment = words(read("environ"));
        let path = environment.iter().find_map(|entry| entry.strip_prefix("PATH="));
        Self {
            pid,
            arguments: words(read("cmdline")),
            path: path.unwrap_or_default().split(':').map(PathBuf::from).collect(),
            cgroup: String::from_utf8_lossy(&read("cgroup")).into_owned(),
        }
    }

    /// The file that containerd was told to load. Pure.
    pub(crate) fn config(&self) -> Option<PathBuf> {
        let mut arguments = self.arguments.iter().skip(1);
        while let Some(argument) = arguments.next() {
            let flag = argument.trim_start_matches('-');
            if flag == argument {
                continue;
            }
            match flag.split_once('=') {
                Some(("config" | "c", file)) => return Some(file.into()),
                None if matches!(flag, "config" | "c") => return arguments.next().map(PathBuf::from),
                _ => {}
            }
        }
        None
    }

    /// The unit of systemd that it is in. Pure.
    pub(crate) fn unit(&self) -> Option<&str> {
        // Seen from another cgroup namespace a path begins with `/../`, but ends alike.
        let mut paths = self.cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
        paths.find_map(|path| path.split('/').rev().find(|part| part.ends_with(".service")))
    }
}

/// Those that run one of `programs`, by the file itself: from another mount namespace its path may look different.
pub(crate) fn running(programs: &[PathBuf]) -> Vec<Pid> {
    let files: Vec<(u64, u64)> = programs
        .iter()
        .filter_map(|program| fs::metadata(program).ok())
        .map(|meta| (meta.dev(), meta.ino()))
        .collect();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let meta = fs::metadata(entry.path().join("exe")).ok()?;
            files
                .contains(&(meta.dev(), meta.ino()))
                .then(|| Pid::from_raw(pid))?
        })
        .collect()
}

/// Sends a signal; nothing where the process is gone.
pub(crate) fn signal(pid: Pid, signal: Signal) {
    let _gone = kill_process(pid, signal);
}

/// When a process started, in the kernel's ticks: with it a number is never another's.
pub(crate) fn start_of(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields = stat.get(stat.rfind(')')? + 1..)?;
    fields.split_ascii_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(arguments: &str, cgroup: &str) -> Process {
        Process {
            arguments: arguments.split(' ').map(str::to_owned).collect(),
            cgroup: cgroup.to_owned(),
            ..Process::default()
        }
    }

    #[test]
    fn the_file_is_the_one_on_the_command_line() {
        let config = |line| process(line, "").config();
        assert_eq!(config("/usr/bin/containerd"), None);
        assert_eq!(
            config("containerd -c /a/config.toml -a /run/x.sock"),
            Some("/a/config.toml".into())
        );
        assert_eq!(
            config("containerd --log-level info --config=/b"),
            Some("/b".into())
        );
    }

    #[test]
    fn the_unit_is_the_last_service_on_the_way() {
        let unit = |cgroup| process("containerd", cgroup).unit().map(str::to_owned);
        assert_eq!(
            unit("0::/system.slice/containerd.service\n").as_deref(),
            Some("containerd.service")
        );
        assert_eq!(
            unit("0::/../../../system.slice/k3s.service/supervisor\n").as_deref(),
            Some("k3s.service")
        );
        let hybrid =
            "12:pids:/x\n1:name=systemd:/system.slice/snap.microk8s.daemon-containerd.service\n0::/\n";
        assert_eq!(
            unit(hybrid).as_deref(),
            Some("snap.microk8s.daemon-containerd.service")
        );
        assert_eq!(unit("0::/shoal-test/node1-system\n"), None);
    }

    #[test]
    fn this_process_is_found_by_its_program() {
        let this = std::env::current_exe().unwrap();
        let pids: Vec<i32> = running(&[this])
            .iter()
            .map(|pid| pid.as_raw_nonzero().get())
            .collect();
        assert!(pids.contains(&i32::try_from(std::process::id()).unwrap()));
        assert!(running(&[PathBuf::from("/nothing")]).is_empty());
        assert!(start_of(std::process::id()).is_some());
    }
}
