//! One machine: booted from the base, with a second disk that brings a test, until it has ended itself.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::base::{Base, disk};

/// Five times what it takes on two slow cores.
const PATIENCE: Duration = Duration::from_mins(15);
/// More than all programs together.
const SIZE: u64 = 1 << 30;

/// The files of the second disk. `run.sh` among them is run by bash, as root.
#[derive(Debug)]
pub struct Brought(TempDir);

impl Brought {
    /// Nothing yet.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    /// A file from this machine.
    pub fn copy(&self, from: &Path, to: &str) -> anyhow::Result<()> {
        let to = self.0.path().join(to);
        fs::create_dir_all(to.parent().context("a path")?)?;
        fs::copy(from, to).with_context(|| format!("{} can't be brought", from.display()))?;
        Ok(())
    }

    /// A file with this content.
    pub fn write(&self, to: &str, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
        Ok(fs::write(self.0.path().join(to), content)?)
    }
}

/// Boots a machine, waits until it has powered off, and gives back what the test has printed.
pub fn run(base: &Base, brought: &Brought) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let second = folder.path().join("brought.img");
    disk(&second, brought.0.path(), SIZE)?;
    let (console, said) = (folder.path().join("console"), folder.path().join("said"));
    let drive = |path: &Path, more: &str| format!("file={},format=raw,if=virtio,{more}", path.display());
    let mut machine = Command::new("qemu-system-x86_64")
        // Without cmpxchg16b, which qemu 7.2 gets wrong with several threads: the kernel panics in kmalloc.
        // KVM hangs at boot on some of the machines that run this.
        .args([
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max,-cx16",
            "-smp",
            "2",
            "-m",
            "1024",
        ])
        .args(["-display", "none", "-no-reboot", "-nic", "none"])
        .args(["-append", "root=/dev/vda rw console=ttyS0 quiet"])
        .arg("-kernel")
        .arg(base.kernel())
        .arg("-initrd")
        .arg(base.initrd())
        .arg("-drive")
        .arg(drive(&base.disk(), "snapshot=on"))
        .arg("-drive")
        .arg(drive(&second, "readonly=on"))
        .arg("-serial")
        .arg(format!("file:{}", console.display()))
        .arg("-serial")
        .arg(format!("file:{}", said.display()))
        // Its changes of the disk go there.
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .spawn()
        .context("qemu-system-x86_64 can't be run: scripts/setup.sh machines")?;
    let began = Instant::now();
    let read = |path: &Path| {
        let text = fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&text).replace('\r', "")
    };
    loop {
        if let Some(status) = machine.try_wait()? {
            if !status.success() {
                bail!("qemu ended with {status}\n{}", read(&console));
            }
            return Ok(read(&said));
        }
        if began.elapsed() > PATIENCE {
            machine.kill()?;
            machine.wait()?;
            bail!(
                "the machine has not ended after {} min\n{}\n{}",
                PATIENCE.as_secs() / 60,
                read(&console),
                read(&said)
            );
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
