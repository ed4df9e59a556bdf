//! `install`: the stages in their order. What containerd is to be told is decided in `config`; how files are written in `files`.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use crate::cache_size;
use crate::config::{self, Change};
use crate::error::Error;
use crate::files::NodeTree;
use crate::node::{self, Running};
use crate::options::{self, Options};
use crate::payload::{self, Payload};
use crate::runtime::{Runtime, Sandboxer};
use crate::stages::{Work, passed};
use crate::state::{Known, State, hash};
use crate::{canary, lock};

/// What there is to do on a node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// As `state::Known`, for people.
    containerd: Found,
    /// Where the programs go.
    programs: PathBuf,
    /// Where containerd will find the shim; none tells it the path.
    link: Option<PathBuf>,
    sandboxer: Sandboxer,
    /// Files of containerd's configuration that have to change.
    files: Vec<File>,
    /// How containerd is restarted; none where it need not be.
    restart: Option<String>,
    #[serde(skip)]
    runtime: Runtime,
    #[serde(skip)]
    changes: Vec<Change>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    distribution: crate::distribution::Distribution,
    version: String,
    socket: PathBuf,
    config: PathBuf,
}

#[derive(Debug, Serialize)]
struct File {
    path: PathBuf,
    text: Option<String>,
}

impl Plan {
    /// Decides. Reads files, changes none.
    fn of(
        options: &Options,
        name: &str,
        state: &State,
        known: &Known,
        running: Option<&Running>,
    ) -> Result<Self, Error> {
        let folders = options::link_folders(&known.path);
        let link = payload::link_place(&options.bin, &folders)?;
        let sandboxer = options::sandboxer(options.sandboxer, known.version, link.is_some());
        let runtime = Runtime {
            sandboxer,
            path: link.is_none().then(|| payload::shim(&options.bin)),
            options: options.runtime_options.clone(),
        };
        let changes = config::install(&NodeTree, &known.situation(), &runtime)?;
        let effective = running.map(|running| &running.config);
        let restart = match needs_restart(&changes, state.restart, effective, &runtime) {
            true => Some(
                known
                    .restart(options, running.map(|running| running.pid))?
                    .command(),
            ),
            false => None,
        };
        Ok(Self {
            containerd: Found {
                distribution: known.distribution,
                version: format!("{}.{}", known.version.major, known.version.minor),
                socket: known.socket.clone(),
                config: known.config.clone(),
            },
            programs: options.bin.join(name),
            link,
            sandboxer: sandboxer.unwrap_or(Sandboxer::Podsandbox),
            files: changes
                .iter()
                .map(|change| File {
                    path: change.path.clone(),
                    text: change.after.clone(),
                })
                .collect(),
            restart,
            runtime,
            changes,
        })
    }

    /// What differs between one attempt and another, so that what failed is not tried again and again.
    fn fingerprint(&self) -> String {
        let said = format!(
            "{:?}",
            (&self.programs, &self.runtime, &self.containerd, &self.files)
        );
        hash(said.as_bytes())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = &self.containerd;
        writeln!(
            f,
            "containerd {} ({:?}) at {}, configured by {}",
            found.version,
            found.distribution,
            found.socket.display(),
            found.config.display()
        )?;
        writeln!(f, "programs in {}", self.programs.display())?;
        match &self.link {
            Some(link) => writeln!(f, "found by {}", link.display())?,
            None => writeln!(
                f,
                "found by runtime_path: no folder of containerd's PATH can be written"
            )?,
        }
        writeln!(f, "sandboxes by {}", self.sandboxer.as_str())?;
        for file in &self.files {
            writeln!(f, "changes {}", file.path.display())?;
        }
        match &self.restart {
            Some(command) => write!(f, "restarts containerd: {command}"),
            None => write!(f, "restarts nothing"),
        }
    }
}

/// Whether containerd has to be restarted: what it runs with is not what it should. Pure.
fn needs_restart(changes: &[Change], pending: bool, effective: Option<&Value>, runtime: &Runtime) -> bool {
    !changes.is_empty() || pending || effective.is_none_or(|config| !runtime.is_in_effect(config))
}

/// Says what [`install`] would do.
pub async fn check(options: &Options, payload: &Payload) -> Result<Plan, Error> {
    let state = State::load();
    let (known, running) = node::find(options, &state).await?;
    let name = payload.name(&options.version);
    Plan::of(options, &name, &state, &known, running.as_ref())
}

/// Puts the shim on the node. Done again, it changes nothing.
pub async fn install(options: &Options, payload: &mut Payload) -> Result<(), Error> {
    let _lock = lock::take().await?;
    let mut state = State::load();
    let (known, running) = node::find(options, &state).await?;
    let name = payload.name(&options.version);
    let plan = Plan::of(options, &name, &state, &known, running.as_ref())?;
    let attempt = plan.fingerprint();
    state.check_pause(&attempt)?;
    state.known = Some(known.clone());
    state.save()?;

    if payload.put(&options.bin, &name)? {
        passed("binaries");
    }
    let current = payload::current(&options.bin);
    if current.as_ref() != Some(&name) {
        state.previous = current;
        state.save()?;
        payload::make_current(&options.bin, Some(&name))?;
    }
    if let Some(link) = &plan.link {
        payload::link(&options.bin, link)?;
    }
    passed("links");

    let pid = running.as_ref().map(|running| running.pid);
    let mut work = Work {
        restart: known.restart(options, pid).or_else(|error| match plan.restart {
            // Not needed now, and for the way back neither.
            None => Ok(crate::restart::Restart::Command("false".to_owned())),
            Some(_) => Err(error),
        })?,
        options,
        state,
        known,
        old: pid,
    };
    match work.apply(&plan, running).await {
        Ok(()) => {
            work.state.changed.clear();
            work.state.previous = None;
            work.state.failed = None;
            work.state.save()?;
            payload::sweep(&options.bin)
        }
        Err(cause) => Err(work.roll_back(attempt, cause).await),
    }
}

impl Work<'_> {
    /// The stages that are undone where one fails.
    async fn apply(&mut self, plan: &Plan, running: Option<Running>) -> Result<(), Error> {
        self.change(&plan.changes)?;
        passed("configuration");
        let running = match running {
            Some(running) if plan.restart.is_none() => running,
            _ => {
                let known = |running: &Running| match plan.runtime.is_in_effect(&running.config) {
                    true if running.has_handler() => Ok(()),
                    true => Err("its CRI does not list the handler".to_owned()),
                    false => Err("its CRI does not know the runtime".to_owned()),
                };
                self.restart("containerd does not have the runtime", known)
                    .await?
            }
        };
        passed("restart");
        let resized = cache_size::put(self.options.cache_size.as_deref(), &mut self.state.cache_size)?;
        let mut replaced = payload::replace_daemons(&self.options.bin);
        if resized {
            // It reads the size when it starts.
            replaced += payload::restart_daemons(&self.options.bin);
            self.state.save()?;
        }
        if replaced > 0 {
            eprintln!("shoal-installer: the keeper starts the daemon of this version; pods live on");
        }
        passed("daemon");
        canary::run(&running.cri, self.options.patience).await?;
        passed("canary");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn containerd_is_restarted_only_where_it_would_know_something_new() {
        let runtime = Runtime {
            sandboxer: None,
            path: None,
            options: Vec::new(),
        };
        let effective = json!({"containerd": {"runtimes": {"shoal": {
            "runtimeType": "io.containerd.shoal.v1",
            "PodAnnotations": ["shoal.dev/*"], "ContainerAnnotations": ["shoal.dev/*", "io.kubernetes.container.*"],
        }}}});
        let change = Change {
            path: "/x".into(),
            after: None,
        };
        assert!(!needs_restart(&[], false, Some(&effective), &runtime));
        assert!(needs_restart(&[change], false, Some(&effective), &runtime));
        assert!(needs_restart(&[], true, Some(&effective), &runtime));
        assert!(needs_restart(&[], false, Some(&json!({})), &runtime));
        assert!(needs_restart(&[], false, None, &runtime));
    }
}
