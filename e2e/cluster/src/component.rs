//! One long-running program of a cluster: started once, known by process id and start time, ended, its log quoted. What is run and
//! why stands in `control` and `node`.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How many lines of a log an error quotes.
const QUOTED_LINES: usize = 12;

/// A program and how it is run.
pub(crate) struct Component {
    /// What errors call it, such as `kubelet of node1`.
    pub(crate) title: String,
    /// What its log and its process file are called.
    pub(crate) name: String,
    /// The folder of both.
    pub(crate) folder: PathBuf,
    /// What is put before it to bring it where it belongs: `nsenter` and its arguments.
    pub(crate) enter: Vec<OsString>,
    /// Folders of the cgroups that it is put into before it runs.
    pub(crate) cgroups: Vec<PathBuf>,
    pub(crate) argv: Vec<OsString>,
    /// Its environment, all of it.
    pub(crate) env: Vec<(&'static str, OsString)>,
    /// Files that it reads at its start. They are written before; it is started anew where one has changed.
    pub(crate) files: Vec<(PathBuf, String)>,
}

/// What is remembered of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// When it started, in the kernel's ticks: with it a process id is never another's.
    start: u64,
    /// Of what it was started with.
    #[serde(default)]
    fingerprint: String,
}

impl Process {
    /// The process that has this id now.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let (state, start) = parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        (!matches!(state, 'Z' | 'X')).then_some(Self {
            pid,
            start,
            fingerprint: String::new(),
        })
    }

    pub(crate) fn is_alive(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now.start == self.start)
    }

    /// Sends a signal; nothing where it has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            let _ended_meanwhile = kill_process(pid, signal);
        }
    }

    /// Waits until it has ended; false where it goes on.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        let began = Instant::now();
        while self.is_alive() {
            if began.elapsed() > patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }
}

/// State and start time out of /proc/PID/stat. The second field is the program's name, and may hold anything.
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

impl Component {
    fn process_file(&self) -> PathBuf {
        process_file(&self.folder, &self.name)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// The process, if it runs.
    pub(crate) fn process(&self) -> Option<Process> {
        running(&self.folder, &self.name)
    }

    /// Whether it runs, and with what it is to run with.
    pub(crate) fn is_as_it_should_be(&self) -> bool {
        self.process()
            .is_some_and(|process| process.fingerprint == self.fingerprint())
    }

    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        self.enter
            .iter()
            .chain(&self.argv)
            .for_each(|part| add(part.as_encoded_bytes()));
        for (name, value) in &self.env {
            add(name.as_bytes());
            add(value.as_encoded_bytes());
        }
        for (path, content) in &self.files {
            add(path.as_os_str().as_encoded_bytes());
            add(content.as_bytes());
        }
        hex::encode(&hash.finalize()[..8])
    }

    /// Sees to it that it runs, and with what it is to run with. Whether it had to be started.
    pub(crate) fn ensure(&self) -> anyhow::Result<bool> {
        let fingerprint = self.fingerprint();
        if let Some(process) = self.process() {
            if process.fingerprint == fingerprint {
                return Ok(false);
            }
            self.stop()?;
        }
        fs::create_dir_all(&self.folder)?;
        for (path, content) in &self.files {
            write(path, content)?;
        }
        let process = self
            .spawn()
            .with_context(|| format!("{} can't be started", self.title))?;
        let process = Process {
            fingerprint,
            ..process
        };
        write(&self.process_file(), &serde_json::to_string(&process)?)?;
        Ok(true)
    }

    fn spawn(&self) -> anyhow::Result<Process> {
        let log = OpenOptions::new().create(true).append(true).open(self.log())?;
        // In a session of its own it outlives the terminal; no process of it runs outside of its cgroups; its limit of open
        // files is the highest, as under systemd. Each step replaces the last one, so that the process id stays.
        let script = "for c in $CGROUPS; do echo $$ >\"$c/cgroup.procs\" || exit; done\n\
                      unset CGROUPS; ulimit -n \"$(ulimit -Hn)\"; exec \"$@\"";
        let cgroups: Vec<_> = self
            .cgroups
            .iter()
            .map(|folder| folder.to_string_lossy())
            .collect();
        let mut command = Command::new("setsid");
        command
            .args(["sh", "-c", script, "sh"])
            .args(&self.enter)
            .args(&self.argv)
            .env_clear()
            .env("CGROUPS", cgroups.join(" "))
            .env("HOME", "/root")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command.spawn().context("setsid (of util-linux) can't be run")?;
        let pid = i32::try_from(child.id())?;
        // It is not waited for, but while this process lives, one that has ended stays as a zombie, which `of` knows.
        Process::of(pid).with_context(|| format!("it ended at once.\n{}", self.quote()))
    }

    /// Ends it: gently, then for sure.
    pub(crate) fn stop(&self) -> anyhow::Result<()> {
        if let Some(process) = self.process() {
            process.signal(Signal::TERM);
            if !process.wait(Duration::from_secs(10)) {
                process.signal(Signal::KILL);
                if !process.wait(Duration::from_secs(10)) {
                    bail!("{} (process {}) can't be ended", self.title, process.pid);
                }
            }
        }
        let _absent = fs::remove_file(self.process_file());
        Ok(())
    }

    /// An error where it has ended.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.process().is_none() {
            bail!("{} has ended.\n{}", self.title, self.quote());
        }
        Ok(())
    }

    /// The end of its log, for an error.
    pub(crate) fn quote(&self) -> String {
        let path = self.log();
        let log = fs::read(&path).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().rev().take(QUOTED_LINES).collect();
        let mut quote = format!("The end of {}:", path.display());
        for line in lines.iter().rev() {
            let end = line.char_indices().nth(400).map_or(line.len(), |(at, _)| at);
            quote.push_str("\n    ");
            quote.push_str(&line[..end]);
        }
        quote
    }
}

fn process_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.process"))
}

/// The process of a component, if it runs.
pub(crate) fn running(folder: &Path, name: &str) -> Option<Process> {
    let process: Process = serde_json::from_slice(&fs::read(process_file(folder, name)).ok()?).ok()?;
    process.is_alive().then_some(process)
}

/// Writes a file that only root may read: many hold keys.
pub(crate) fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600);
    options
        .open(&new)
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("{} can't be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(folder: &Path, seconds: &str) -> Component {
        Component {
            title: "the sleeper".to_owned(),
            name: "sleeper".to_owned(),
            folder: folder.to_owned(),
            enter: Vec::new(),
            cgroups: Vec::new(),
            argv: vec!["sleep".into(), seconds.into()],
            env: vec![("PATH", "/usr/bin:/bin".into())],
            files: Vec::new(),
        }
    }

    #[test]
    fn a_programs_name_does_not_confuse_the_reader_of_its_state() {
        let stat = "7 (a) Z 9) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 2";
        assert_eq!(parse_stat(stat), Some(('S', 4242)));
        assert_eq!(parse_stat("7 (a"), None);
    }

    #[test]
    fn what_runs_is_left_alone_what_changed_is_started_anew_and_what_is_stopped_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = sleeper(folder.path(), "1000");
        assert!(first.ensure().unwrap());
        let process = first.process().unwrap();
        assert!(first.is_as_it_should_be());
        assert!(!first.ensure().unwrap());
        assert_eq!(first.process().unwrap(), process);
        let other = sleeper(folder.path(), "2000");
        assert!(!other.is_as_it_should_be());
        assert!(other.ensure().unwrap());
        assert!(!process.is_alive());
        other.check().unwrap();
        other.stop().unwrap();
        assert!(other.check().is_err());
    }

    #[test]
    fn an_error_quotes_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let wrong = sleeper(folder.path(), "a while");
        // It may end before or after it is looked at.
        let _ended = wrong.ensure();
        if let Some(process) = wrong.process() {
            assert!(process.wait(Duration::from_secs(60)));
        }
        let error = wrong.check().unwrap_err().to_string();
        assert!(
            error.contains("the sleeper has ended") && error.contains("a while"),
            "{error}"
        );
    }
}
