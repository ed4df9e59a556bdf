//! Servers as processes of their own, on loopback. Each ends with its handle, by its process id.

use crate::web;
use anyhow::{Context, bail};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;
use tokio::process::{Child, Command};

/// A server that answers.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
    _child: Child,
}

/// An address on loopback that nobody listens on.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(listener.local_addr()?)
}

/// Starts a server and waits until it answers with `expected`.
pub(crate) async fn start(
    mut command: Command,
    address: SocketAddr,
    expected: &[u8],
) -> anyhow::Result<Server> {
    let program = format!("{:?}", command.as_std());
    let mut child = command
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {program}"))?;
    let Some(pid) = child.id() else {
        bail!("{program} ended at once")
    };
    for _ in 0..600 {
        if let Some(status) = child.try_wait()? {
            bail!("{program} ended with {status} before it answered");
        }
        match web::get(address, "/").await {
            Ok((status, body)) if status.is_success() && body == expected => {
                return Ok(Server {
                    address,
                    pid,
                    _child: child,
                });
            }
            Ok((status, body)) => {
                bail!("{program} answers {status}: {}", String::from_utf8_lossy(&body));
            }
            // Not listening yet.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    bail!("{program} did not answer at {address} within a minute")
}
