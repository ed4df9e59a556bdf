//! The disk that machines boot from: made once by debootstrap, kept by a hash of how it is made. Never written to afterwards.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

/// Debian 13, which has containerd 1.7.
const SUITE: &str = "trixie";
const MIRROR: &str = "http://deb.debian.org/debian";
const PACKAGES: &str = "systemd-sysv,udev,containerd,runc,linux-image-cloud-amd64,iproute2,dbus";
const SIZE: u64 = 2 << 30;
/// Starts what the second disk brings, with its output on the second serial line, and ends the machine.
const UNIT: &str = "[Unit]
Description=What a test brought
Wants=containerd.service
After=containerd.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'mkdir -p /brought && mount -o ro /dev/vdb /brought && exec /bin/bash /brought/run.sh'
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS1
TimeoutStartSec=infinity
";
/// What would run beside the test.
const NOT_WANTED: [&str; 4] = [
    "timers.target.wants/apt-daily.timer",
    "timers.target.wants/apt-daily-upgrade.timer",
    "timers.target.wants/e2scrub_all.timer",
    "timers.target.wants/fstrim.timer",
];

/// A disk with its kernel.
#[derive(Debug)]
pub struct Base {
    folder: PathBuf,
}

impl Base {
    /// The one of this recipe. Makes it where it is not there, which takes minutes and root.
    pub fn ensure() -> anyhow::Result<Self> {
        let mut hash = Sha256::new();
        for part in [SUITE, PACKAGES, UNIT, &SIZE.to_string(), &NOT_WANTED.concat()] {
            hash.update(part);
        }
        let name = hex::encode(hash.finalize());
        let root = cache()?.join("machines");
        fs::create_dir_all(&root).with_context(|| format!("{} can't be made", root.display()))?;
        let lock = File::create(root.join("lock"))?;
        lock.lock()?;
        let folder = root.join(&name[..12]);
        if !folder.exists() {
            let new = tempfile::tempdir_in(&root)?;
            make(new.path())?;
            fs::remove_dir_all(new.path().join("root"))?;
            fs::rename(new.keep(), &folder)?;
        }
        Ok(Self { folder })
    }

    pub(crate) fn disk(&self) -> PathBuf {
        self.folder.join("disk.img")
    }

    pub(crate) fn kernel(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }

    pub(crate) fn initrd(&self) -> PathBuf {
        self.folder.join("initrd")
    }
}

fn make(folder: &Path) -> anyhow::Result<()> {
    let root = folder.join("root");
    let include = format!("--include={PACKAGES}");
    call(
        Command::new("debootstrap")
            .args(["--variant=minbase", &include, SUITE])
            .arg(&root)
            .arg(MIRROR),
    )?;
    fs::write(root.join("etc/hostname"), "machine\n")?;
    let units = root.join("etc/systemd/system");
    fs::write(units.join("brought.service"), UNIT)?;
    fs::create_dir_all(units.join("multi-user.target.wants"))?;
    std::os::unix::fs::symlink(
        "../brought.service",
        units.join("multi-user.target.wants/brought.service"),
    )?;
    for unit in NOT_WANTED {
        let _absent = fs::remove_file(units.join(unit));
    }
    for (kind, name) in [("vmlinuz-", "vmlinuz"), ("initrd.img-", "initrd")] {
        let boot = fs::read_dir(root.join("boot"))?.flatten();
        let file = boot.map(|entry| entry.path()).find(|path| {
            path.file_name()
                .is_some_and(|file| file.to_string_lossy().starts_with(kind))
        });
        fs::copy(
            file.with_context(|| format!("debootstrap made no {kind}*"))?,
            folder.join(name),
        )?;
    }
    disk(&folder.join("disk.img"), &root, SIZE)
}

/// A disk of one file system with the files of `from`.
pub(crate) fn disk(path: &Path, from: &Path, size: u64) -> anyhow::Result<()> {
    File::create(path)?.set_len(size)?;
    call(
        Command::new("mkfs.ext4")
            .args(["-q", "-F", "-d"])
            .arg(from)
            .arg(path),
    )
}

pub(crate) fn call(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("{program} can't be run: scripts/setup.sh machines"))?;
    if !output.status.success() {
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        bail!("{program} ended with {}: {err}{out}", output.status);
    }
    Ok(())
}

fn cache() -> anyhow::Result<PathBuf> {
    let of = |name| std::env::var_os(name).map(PathBuf::from);
    of("SHOAL_DEV_CACHE")
        .or_else(|| of("XDG_CACHE_HOME").map(|cache| cache.join("shoal")))
        .or_else(|| of("HOME").map(|home| home.join(".cache/shoal")))
        .context("HOME is not set")
}
