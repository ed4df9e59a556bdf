//! containerd as it is found on the node, and waiting for it. What is to be done about it is decided in `install` and `remove`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::config::Situation;
use crate::cri::{Cri, Empty, StatusRequest, StatusResponse, VersionResponse};
use crate::distribution::{self, Found};
use crate::error::Error;
use crate::options::Options;
use crate::processes::{self, Process};
use crate::restart::Restart;
use crate::runtime::{self, Version};
use crate::state::{Known, State};

const PAUSE: Duration = Duration::from_millis(200);
/// A containerd that we may have broken is not waited for as long.
const BROKEN: Duration = Duration::from_secs(5);

/// A containerd that answers.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) cri: Cri,
    pub(crate) pid: i32,
    version: String,
    /// CRI's configuration, as it is in effect.
    pub(crate) config: Value,
    /// Why it takes no pods, if so.
    unready: Option<String>,
    /// Names of handlers; before 2.0 it says none.
    handlers: Vec<String>,
}

impl Running {
    async fn look(socket: &Path) -> Result<Self, String> {
        let pid = processes::listener(socket).map_err(|error| error.to_string())?;
        let cri = Cri::connect(socket).await?;
        let said = |status: containerd_client::tonic::Status| status.message().to_owned();
        let version: VersionResponse = cri.runtime("Version", Empty {}).await.map_err(said)?;
        let status: StatusResponse = cri
            .runtime("Status", StatusRequest { verbose: true })
            .await
            .map_err(said)?;
        let conditions = status.status.map(|status| status.conditions).unwrap_or_default();
        let unready = conditions.iter().find(|c| c.kind == "RuntimeReady" && !c.status);
        let config = status.info.get("config").map(String::as_str).unwrap_or_default();
        Ok(Self {
            cri,
            pid,
            version: version.version,
            config: serde_json::from_str(config).unwrap_or_default(),
            unready: unready.map(|c| format!("{}: {}", c.reason, c.message)),
            handlers: status.handlers.into_iter().map(|handler| handler.name).collect(),
        })
    }

    /// Whether it takes pods.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.unready.clone().map_or(Ok(()), Err)
    }

    /// Whether it names us among its handlers, as far as it names any.
    pub(crate) fn has_handler(&self) -> bool {
        self.handlers.is_empty() || self.handlers.iter().any(|name| name == runtime::NAME)
    }
}

/// Waits until containerd answers, is not the process `not`, and `check` is content with it.
pub(crate) async fn wait(
    socket: &Path,
    not: Option<i32>,
    patience: Duration,
    what: &'static str,
    check: impl Fn(&Running) -> Result<(), String>,
) -> Result<Running, Error> {
    let deadline = Instant::now() + patience;
    loop {
        let reason = match Running::look(socket).await {
            Ok(running) if Some(running.pid) == not => "it was not restarted".to_owned(),
            Ok(running) => match running.check().and_then(|()| check(&running)) {
                Ok(()) => return Ok(running),
                Err(reason) => reason,
            },
            Err(reason) => reason,
        };
        if Instant::now() >= deadline {
            return Err(Error::TimedOut {
                what,
                seconds: patience.as_secs(),
                reason,
            });
        }
        sleep(PAUSE).await;
    }
}

/// The node's containerd: what is known of it, and itself where it answers. One that does not is only accepted where an earlier run
/// knew it, and may have broken it.
pub(crate) async fn find(options: &Options, state: &State) -> Result<(Known, Option<Running>), Error> {
    let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if let Some(reason) = distribution::refusal(&os_release) {
        return Err(Error::Unchangeable(reason));
    }
    if !processes::are_visible() {
        return Err(Error::NoHostPid);
    }
    let broken = state.known.clone().filter(|_| state.restart);
    let deadline = Instant::now() + options.patience;
    let found = loop {
        let found = distribution::find(options.socket.as_deref(), Path::exists);
        // One that is being restarted has no socket for a moment.
        if found.is_some() || broken.is_some() || Instant::now() >= deadline {
            break found;
        }
        sleep(PAUSE).await;
    };
    let found = match (found, &broken) {
        (Some(found), _) => found,
        (None, Some(known)) => Found {
            distribution: known.distribution,
            socket: known.socket.clone(),
        },
        (None, None) => return Err(Error::NoContainerd),
    };
    let patience = if broken.is_some() {
        BROKEN
    } else {
        options.patience
    };
    let running = wait(
        &found.socket,
        None,
        patience,
        "containerd does not answer",
        |_| Ok(()),
    )
    .await;
    match (running, broken) {
        (Ok(running), _) => Ok((known(options, &found, &running)?, Some(running))),
        (Err(_), Some(known)) => Ok((known, None)),
        (Err(error), None) => Err(Error::Unreachable {
            socket: found.socket,
            reason: error.to_string(),
        }),
    }
}

fn known(options: &Options, found: &Found, running: &Running) -> Result<Known, Error> {
    let version = Version::parse(&running.version);
    let version = version.filter(|version| *version >= Version::OLDEST);
    let process = Process::of(running.pid);
    let config = options.config.clone().or_else(|| process.config());
    Ok(Known {
        distribution: found.distribution,
        version: version.ok_or_else(|| Error::TooOld(running.version.clone()))?,
        config: config.unwrap_or_else(|| found.distribution.config().to_owned()),
        socket: found.socket.clone(),
        unit: process.unit().map(str::to_owned),
        path: process.path,
    })
}

impl Known {
    pub(crate) fn situation(&self) -> Situation {
        Situation {
            distribution: self.distribution,
            version: self.version,
            config: self.config.clone(),
        }
    }

    /// How it is restarted: as was said, or by its unit. What it runs in is believed before what its distribution calls it.
    pub(crate) fn restart(&self, options: &Options, pid: Option<i32>) -> Result<Restart, Error> {
        if let Some(command) = &options.restart_command {
            return Ok(Restart::Command(command.clone()));
        }
        let units = self.distribution.units().iter();
        let installed = units.copied().find(|unit| {
            [
                "/etc/systemd/system",
                "/run/systemd/system",
                "/usr/lib/systemd/system",
                "/lib/systemd/system",
            ]
            .iter()
            .any(|folder| PathBuf::from(folder).join(unit).exists())
        });
        let unit = self.unit.clone().or_else(|| installed.map(str::to_owned));
        unit.map(Restart::Unit).ok_or(Error::NoUnit(pid.unwrap_or(0)))
    }
}
