//! How long CRI's calls take for one pod, and how long it takes until it answers. One pod after the other.

use super::cri::{Cri, LinuxPodSandboxConfig, PodSandboxConfig, PodSandboxMetadata, Program};
use super::{Place, Runtime};
use crate::figures::{Figures, percentile};
use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_micros(200);
/// No pod takes longer.
const LONGEST: Duration = Duration::from_secs(20);

pub(crate) async fn run(
    place: &Place,
    runtime: &Runtime,
    starts: u32,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    // It removes pods that it knows nothing of.
    let _paused = Paused::new(place.local.pid("kubelet")?)?;
    let mut cri = Cri::connect(&place.local.cri).await?;
    cri.pull(&runtime.image).await?;
    let mut times: [Vec<f64>; 5] = Default::default();
    // The first one compiles, starts the daemon, fills caches.
    for number in 0..=starts {
        let measured = one(place, runtime, &mut cri, ("bench", number)).await?;
        if number > 0 {
            for (times, time) in times.iter_mut().zip(measured) {
                times.extend(time.map(|time| time.as_secs_f64() * 1000.0));
            }
        }
    }
    for (kind, times) in ["run_sandbox", "create", "start", "started", "first_byte"]
        .iter()
        .zip(&times)
    {
        if !times.is_empty() {
            for percent in [50.0, 95.0] {
                let name = format!("{}_{kind}_ms_p{percent}", runtime.name());
                figures.set(name, percentile(times, percent));
            }
        }
    }
    Ok(())
}

/// A process that stands still.
pub(super) struct Paused(Pid);

impl Paused {
    pub(super) fn new(pid: i32) -> anyhow::Result<Self> {
        let pid = Pid::from_raw(pid).context("a process number")?;
        kill_process(pid, Signal::STOP)?;
        Ok(Self(pid))
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        // It may have been ended meanwhile.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// The pod of this number in a namespace, from its start to its removal: how long each call took, all of them, and the first byte.
pub(super) async fn one(
    place: &Place,
    runtime: &Runtime,
    cri: &mut Cri,
    (namespace, number): (&str, u32),
) -> anyhow::Result<[Option<Duration>; 5]> {
    let name = format!("{namespace}-{}-{number}", runtime.class);
    let config = PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            uid: format!("{name}-{}", std::process::id()),
            namespace: namespace.to_owned(),
            name: name.clone(),
        }),
        hostname: name.clone(),
        log_directory: place
            .local
            .folder
            .join("pod-logs")
            .join(&name)
            .display()
            .to_string(),
        linux: Some(LinuxPodSandboxConfig {
            cgroup_parent: format!("/bench-{}", place.local.netns),
        }),
    };
    std::fs::create_dir_all(&config.log_directory)?;
    let began = Instant::now();
    let pod = cri.run_pod_sandbox(&config, &runtime.class).await?;
    let sandbox = began.elapsed();
    let program = Program {
        image: &runtime.image,
        args: runtime.args.clone(),
    };
    let container = cri.create_container(&pod, &config, &program).await?;
    let created = began.elapsed();
    cri.start_container(&container).await?;
    let started = began.elapsed();
    let first = if runtime.serves {
        let address = SocketAddr::new(cri.ip(&pod).await?.parse()?, 80);
        Some(first_byte(&place.local.netns, address, began).await?)
    } else {
        None
    };
    cri.remove(&pod).await?;
    let _ = std::fs::remove_dir_all(&config.log_directory);
    Ok([
        Some(sandbox),
        Some(created - sandbox),
        Some(started - created),
        Some(started),
        first,
    ])
}

/// When the first byte of an answer is there.
async fn first_byte(netns: &str, address: SocketAddr, began: Instant) -> anyhow::Result<Duration> {
    let namespace = File::open(format!("/var/run/netns/{netns}"))?;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let ask = || -> anyhow::Result<Duration> {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            loop {
                let asked = TcpStream::connect_timeout(&address, LONGEST).and_then(|mut stream| {
                    write!(
                        stream,
                        "GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
                    )?;
                    stream.read_exact(&mut [0])
                });
                match asked {
                    Ok(()) => return Ok(began.elapsed()),
                    Err(error) if began.elapsed() > LONGEST => {
                        return Err(error).context("the pod does not answer");
                    }
                    Err(_) => std::thread::sleep(PAUSE),
                }
            }
        };
        let _ = sender.send(ask());
    });
    receiver.await?
}
