//! What installing and removing have in common: the journal around a change of configuration, the restart, and the way back. Each step
//! can be killed at any point and done again.

use std::fs;
use std::path::Path;

use rustix::process::{Signal, getpid, kill_process};

use crate::config::Change;
use crate::error::Error;
use crate::node::{self, Running};
use crate::options::Options;
use crate::restart::Restart;
use crate::state::{Changed, FOLDER, Known, State, hash};
use crate::{files, payload};

/// For tests: the stage after which the process kills itself, as a node that loses its power would.
const STOP_ENV: &str = "SHOAL_INSTALLER_STOP_AFTER";

/// A stage is over.
pub(crate) fn passed(stage: &str) {
    eprintln!("shoal-installer: {stage}: done");
    if std::env::var_os(STOP_ENV).is_some_and(|at| at == stage) {
        let _ends_here = kill_process(getpid(), Signal::KILL);
    }
}

/// An installation or removal under way.
pub(crate) struct Work<'a> {
    pub(crate) options: &'a Options,
    pub(crate) state: State,
    pub(crate) known: Known,
    pub(crate) restart: Restart,
    /// The process that was restarted last, which is not the one that is waited for.
    pub(crate) old: Option<i32>,
}

impl Work<'_> {
    /// Writes the configuration, with what was there before in the journal.
    pub(crate) fn change(&mut self, changes: &[Change]) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        self.state.prepare(changes)?;
        passed("journal");
        for change in changes {
            match &change.after {
                Some(text) => files::replace(&change.path, text.as_bytes())?,
                None => files::remove(&change.path)?,
            }
            passed("file");
        }
        Ok(())
    }

    /// Restarts containerd, and waits until it is content.
    pub(crate) async fn restart(
        &mut self,
        what: &'static str,
        check: impl Fn(&Running) -> Result<(), String>,
    ) -> Result<Running, Error> {
        self.state.restart = true;
        self.state.save()?;
        eprintln!(
            "shoal-installer: restarting containerd: {}",
            self.restart.command()
        );
        self.restart.run().await?;
        let patience = self.options.patience;
        let running = node::wait(&self.known.socket, self.old, patience, what, check).await?;
        self.old = Some(running.pid);
        self.state.restart = false;
        self.state.save()?;
        Ok(running)
    }

    /// Puts everything back as it was before this attempt, byte for byte. The error is what whoever asked gets to see.
    pub(crate) async fn roll_back(&mut self, attempt: String, cause: Error) -> Error {
        eprintln!("shoal-installer: {cause}; going back");
        match self.undo().await {
            Ok(undone) => {
                let error = Error::RolledBack {
                    cause: Box::new(cause),
                    undone,
                };
                match self.state.fail(attempt, &error) {
                    Ok(()) => error,
                    Err(failed) => failed,
                }
            }
            Err(rollback) => Error::Stuck {
                cause: Box::new(cause),
                rollback: Box::new(rollback),
                backup: Path::new(FOLDER).join("before"),
            },
        }
    }

    async fn undo(&mut self) -> Result<String, Error> {
        let mut undone = Vec::new();
        for changed in &self.state.changed {
            if put_back(changed)? {
                undone.push(changed.path.display().to_string());
            }
        }
        let bin = &self.options.bin;
        match self.state.previous.take() {
            Some(previous) if payload::current(bin).as_ref() != Some(&previous) => {
                payload::make_current(bin, Some(&previous))?;
                payload::replace_daemons(bin);
                undone.push(format!("version {previous}"));
            }
            _ => {}
        }
        if self.state.restart || !self.state.changed.is_empty() {
            self.restart("containerd is not well with its old configuration", |_| Ok(()))
                .await?;
            undone.push("containerd restarted".to_owned());
        }
        self.state.changed.clear();
        Ok(undone.join(", "))
    }
}

/// Restores a file, unless somebody else has changed it since.
fn put_back(changed: &Changed) -> Result<bool, Error> {
    let path = &changed.path;
    let now = fs::read(path).ok().as_deref().map(hash);
    if now != changed.after {
        return Ok(false);
    }
    match &changed.before {
        None => files::remove(path)?,
        Some(copy) => {
            let bytes = fs::read(copy).map_err(Error::file("read", copy))?;
            files::replace(path, &bytes)?;
        }
    }
    Ok(true)
}
