//! `remove`: first containerd forgets the runtime, then the daemon ends, then the files go. In this order nothing is ever missing that
//! somebody still looks for.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::cache_size;
use crate::canary;
use crate::config;
use crate::cri::{Cri, ListPods, Pod, Pods};
use crate::error::Error;
use crate::files::{self, NodeTree};
use crate::node;
use crate::options::{self, Options};
use crate::restart::Restart;
use crate::runtime;
use crate::stages::{Work, passed};
use crate::state::{self, State, hash};
use crate::{lock, payload, processes};

/// What the shim has on a node beside its programs. What else lies there belongs to whoever put it there.
const FOLDERS: [&str; 4] = ["cache", "incoming", "workers", "log"];
pub(crate) const ROOT: &str = "/var/lib/shoal";
const RUN: &str = "/run/shoal";
/// Of the daemon, to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Takes the shim off the node. `force` does so under pods that run.
pub async fn remove(options: &Options, force: bool) -> Result<(), Error> {
    let _lock = lock::take().await?;
    let state = State::load();
    let (known, running) = node::find(options, &state).await?;
    if let Some(running) = &running {
        canary::clean(&running.cri).await;
        if !force {
            check_pods(&running.cri).await?;
        }
    }
    let changes = config::remove(&NodeTree, &known.situation())?;
    let pid = running.as_ref().map(|running| running.pid);
    let in_effect = running
        .as_ref()
        .is_none_or(|running| runtime::is_known(&running.config));
    let needed = !changes.is_empty() || state.restart || in_effect;
    let restart = match needed {
        true => known.restart(options, pid)?,
        false => Restart::Command("false".to_owned()),
    };
    let mut work = Work {
        options,
        state,
        restart,
        known,
        old: pid,
    };
    if needed && let Err(cause) = work.forget(&changes).await {
        let attempt = hash(format!("remove {changes:?}").as_bytes());
        return Err(work.roll_back(attempt, cause).await);
    }
    end_daemon(&options.bin).await;
    passed("daemon");
    payload::unlink(&options.bin, &options::link_folders(&work.known.path))?;
    cache_size::put(None, &mut work.state.cache_size)?;
    remove_files(&options.bin)?;
    passed("files");
    Ok(())
}

impl Work<'_> {
    async fn forget(&mut self, changes: &[config::Change]) -> Result<(), Error> {
        self.change(changes)?;
        passed("configuration");
        self.restart(
            "containerd still has the runtime",
            |running| match runtime::is_known(&running.config) {
                true => Err("its CRI knows the runtime: is it in a file that is not ours?".to_owned()),
                false => Ok(()),
            },
        )
        .await?;
        // What was there before the removal is of no use after it.
        self.state.changed.clear();
        self.state.save()?;
        passed("restart");
        Ok(())
    }
}

async fn check_pods(cri: &Cri) -> Result<(), Error> {
    let pods: Result<Pods, _> = cri.runtime("ListPodSandbox", ListPods { filter: None }).await;
    let pods = pods.map_err(|status| Error::Request {
        what: "list its pods",
        reason: status.message().to_owned(),
    })?;
    let ours: Vec<&Pod> = pods
        .items
        .iter()
        .filter(|pod| pod.handler == runtime::NAME)
        .collect();
    match ours.first() {
        None => Ok(()),
        Some(first) => {
            let metadata = first.metadata.clone().unwrap_or_default();
            Err(Error::PodsLeft {
                count: ours.len(),
                first: format!("{}/{}", metadata.namespace, metadata.name),
            })
        }
    }
}

/// A daemon that ends by itself takes the keeper and the workers along. What does not end is ended.
async fn end_daemon(bin: &Path) {
    for daemon in payload::daemons(bin) {
        processes::signal(daemon, Signal::TERM);
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && !payload::processes(bin).is_empty() {
        sleep(Duration::from_millis(100)).await;
    }
    for process in payload::processes(bin) {
        processes::signal(process, Signal::KILL);
    }
}

fn remove_files(bin: &Path) -> Result<(), Error> {
    files::remove_folder(bin)?;
    // /opt/shoal, where nothing else is in it.
    if let Some(parent) = bin.parent() {
        let _not_empty = fs::remove_dir(parent);
    }
    for folder in FOLDERS {
        files::remove_folder(&Path::new(ROOT).join(folder))?;
    }
    for entry in fs::read_dir(RUN).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            _ if path == Path::new(lock::FOLDER) => {}
            Ok(kind) if kind.is_dir() => files::remove_folder(&path)?,
            _ => files::remove(&path)?,
        }
    }
    files::remove_folder(Path::new(state::FOLDER))?;
    let _not_empty = fs::remove_dir(ROOT);
    Ok(())
}
