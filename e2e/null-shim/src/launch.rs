//! What containerd runs for each pod, and what must therefore end at once: finding the daemon, or starting it. The daemon itself is in
//! `daemon`.

use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use containerd_shim_protos::api::DeleteResponse;
use containerd_shim_protos::protobuf::{Message, MessageField};
use containerd_shim_protos::types::introspection::{RuntimeInfo, RuntimeVersion};

use crate::table::now;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What a container is said to have ended with whose end nobody saw: as if by SIGKILL.
const LOST: u32 = 128 + 9;

/// The folder of the daemon's socket: each node of a machine has its own, and says so in the environment of its containerd.
fn folder() -> PathBuf {
    let shoal = std::env::var_os("SHOAL_RUN").filter(|path| !path.is_empty());
    shoal.map_or_else(|| "/run/shoal-null".into(), |run| PathBuf::from(run).join("null"))
}

/// The daemon's socket.
pub(crate) fn socket() -> PathBuf {
    folder().join("s")
}

/// Answers with the daemon's address.
pub(crate) fn start() -> anyhow::Result<()> {
    let (folder, socket) = (folder(), socket());
    if UnixStream::connect(&socket).is_err() {
        std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        // Whoever held the lock may have started it.
        if UnixStream::connect(&socket).is_err() {
            spawn(&socket)?;
        }
    }
    // 3: the Task service by its name of containerd 2. Older ones take the address alone, and 2's name.
    let address = format!("unix://{}", socket.display());
    write!(
        std::io::stdout(),
        r#"{{"version":3,"address":"{address}","protocol":"ttrpc"}}"#
    )?;
    Ok(())
}

fn spawn(socket: &std::path::Path) -> anyhow::Result<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("daemon")
        // The bundle, where we were started, must not be held.
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        // containerd reads these to their end.
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let began = Instant::now();
    while UnixStream::connect(socket).is_err() {
        if let Some(status) = child.try_wait()? {
            bail!("the daemon ended with {status}");
        }
        if began.elapsed() > Duration::from_secs(10) {
            bail!("the daemon does not answer at {}", socket.display());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Run for each connection that containerd closes. There is nothing to clean up; it wants to know how the container ended.
pub(crate) fn delete() -> anyhow::Result<()> {
    answer(&DeleteResponse {
        exit_status: LOST,
        exited_at: MessageField::some(now()),
        ..DeleteResponse::default()
    })
}

/// Run for each container that is made.
pub(crate) fn info() -> anyhow::Result<()> {
    answer(&RuntimeInfo {
        name: "io.containerd.null.v1".to_owned(),
        version: MessageField::some(RuntimeVersion {
            version: VERSION.to_owned(),
            ..RuntimeVersion::default()
        }),
        ..RuntimeInfo::default()
    })
}

/// For people.
pub(crate) fn version() -> anyhow::Result<()> {
    writeln!(
        std::io::stdout(),
        "containerd-shim-null-v1:\n  Version:  {VERSION}"
    )?;
    Ok(())
}

fn answer(message: &impl Message) -> anyhow::Result<()> {
    std::io::stdout().write_all(&message.write_to_bytes()?)?;
    Ok(())
}
