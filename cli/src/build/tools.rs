//! Programs of other people: where they are, what to install where they are not, and how they are run.

use crate::failure::Failure;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use tokio::process::Command;

/// Where programs are looked for.
pub(super) struct Tools {
    path: Option<OsString>,
}

/// One run of a program.
pub(super) struct Run<'a> {
    program: PathBuf,
    folder: &'a Path,
    arguments: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
}

impl Tools {
    pub(super) fn from_env() -> Self {
        Self {
            path: std::env::var_os("PATH"),
        }
    }

    /// A program, where it is installed.
    pub(super) fn find(&self, program: &str) -> Option<PathBuf> {
        let folders = std::env::split_paths(self.path.as_deref().unwrap_or_default());
        folders.map(|it| it.join(program)).find(|it| is_program(it))
    }

    /// A program, or what to install.
    pub(super) fn need(&self, program: &str, install: &str) -> Result<PathBuf, Failure> {
        self.find(program).ok_or_else(|| missing(program, install))
    }
}

/// What to say of something that is not installed.
pub(super) fn missing(what: &str, install: &str) -> Failure {
    Failure::Other(format!("{what} is missing; to install it: {install}"))
}

pub(super) fn is_program(path: &Path) -> bool {
    let executable = |it: std::fs::Metadata| it.is_file() && it.permissions().mode() & 0o111 != 0;
    path.metadata().is_ok_and(executable)
}

impl<'a> Run<'a> {
    pub(super) fn new(program: impl Into<PathBuf>, folder: &'a Path) -> Self {
        Self {
            program: program.into(),
            folder,
            arguments: Vec::new(),
            variables: Vec::new(),
        }
    }

    pub(super) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub(super) fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(|it| it.as_ref().to_owned()));
        self
    }

    pub(super) fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Runs it; what it prints is ours to print, on standard error, since standard output is for results.
    pub(super) async fn run(self) -> Result<(), Failure> {
        let status = self.command().stdout(std::io::stderr()).status().await;
        self.judge(status)
    }

    /// Runs it, and takes what it prints to standard output.
    pub(super) async fn output(self) -> Result<String, Failure> {
        let output = self
            .command()
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .output()
            .await;
        let (status, text) = match output {
            Ok(output) => (Ok(output.status), output.stdout),
            Err(error) => (Err(error), Vec::new()),
        };
        self.judge(status)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    fn judge(&self, status: std::io::Result<ExitStatus>) -> Result<(), Failure> {
        let name = self
            .program
            .file_name()
            .unwrap_or(self.program.as_os_str())
            .display();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::Other(format!(
                "{name} failed with {status}; it says why above"
            ))),
            Err(error) => Err(Failure::Other(format!(
                "{} can't be run: {error}",
                self.program.display()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_program_is_told_with_what_to_install() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("notes"), "").unwrap();
        let tools = Tools {
            path: Some(std::env::join_paths([folder.path(), Path::new("/bin")]).unwrap()),
        };
        assert_eq!(tools.find("sh"), Some(PathBuf::from("/bin/sh")));
        // A file that is there, and no program.
        let failure = tools.need("notes", "make them").unwrap_err();
        assert_eq!(failure.message(), "notes is missing; to install it: make them");

        let run = |text: &str| Run::new("/bin/sh", folder.path()).arg("-c").arg(text);
        assert_eq!(run("echo $A").env("A", "b").output().await.unwrap(), "b\n");
        let failed = run("exit 3").run().await.unwrap_err().message();
        assert_eq!(failed, "sh failed with exit status: 3; it says why above");
    }
}
