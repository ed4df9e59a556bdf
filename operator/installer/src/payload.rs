//! The programs that the installer brings, and their places on the node: a folder for each version, and links that say which is current.
//!
//! ```text
//! /opt/shoal/bin/1.2.0-0a1b2c3d/{containerd-shim-shoal-v1,shoald,shoal-worker,shoal-compile}
//! /opt/shoal/bin/current -> 1.2.0-0a1b2c3d            what the keeper starts its next daemon from
//! /usr/local/bin/containerd-shim-shoal-v1 -> /opt/shoal/bin/current/containerd-shim-shoal-v1
//! ```

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use rustix::process::Signal;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::files;
use crate::processes;

/// What containerd starts.
pub(crate) const SHIM: &str = "containerd-shim-shoal-v1";
const DAEMON: &str = "shoald";
const PROGRAMS: [&str; 4] = [SHIM, DAEMON, "shoal-worker", "shoal-compile"];
const CURRENT: &str = "current";

/// The programs, open: they lie in the pod's own files, which are out of reach once we are in the node's.
#[derive(Debug)]
pub struct Payload {
    programs: Vec<(&'static str, File, Vec<u8>)>,
}

impl Payload {
    /// Opens the programs in `folder`.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let open = |name: &'static str| {
            let wrong = |source| Error::Payload {
                name,
                folder: folder.to_owned(),
                source,
            };
            let mut file = File::open(folder.join(name)).map_err(wrong)?;
            let digest = digest(&mut file).map_err(wrong)?;
            Ok((name, file, digest))
        };
        let programs = PROGRAMS.into_iter().map(open).collect::<Result<_, Error>>()?;
        Ok(Self { programs })
    }

    /// The name of its folder: two builds of one version are told apart.
    pub(crate) fn name(&self, version: &str) -> String {
        let mut all = Sha256::new();
        for (_, _, digest) in &self.programs {
            all.update(digest);
        }
        let digest = hex::encode(all.finalize());
        format!("{version}-{}", digest.get(..8).unwrap_or_default())
    }

    /// Puts it into its folder. What is there whole already is left alone.
    pub(crate) fn put(&mut self, bin: &Path, name: &str) -> Result<bool, Error> {
        let folder = bin.join(name);
        if self.is_in(&folder) {
            return Ok(false);
        }
        let new = bin.join(format!(".{name}.new"));
        files::remove_folder(&new)?;
        fs::create_dir_all(&new).map_err(Error::file("make", &new))?;
        for (program, from, _) in &mut self.programs {
            let path = new.join(*program);
            let mut copy = || -> io::Result<()> {
                let mut to = File::create(&path)?;
                from.rewind()?;
                io::copy(from, &mut to)?;
                to.set_permissions(Permissions::from_mode(0o755))?;
                to.sync_all()
            };
            copy().map_err(Error::file("write", &path))?;
        }
        files::sync(&new).map_err(Error::file("write", &new))?;
        // One that is damaged.
        files::remove_folder(&folder)?;
        fs::rename(&new, &folder).map_err(Error::file("rename", &new))?;
        files::sync(bin).map_err(Error::file("write", bin))?;
        Ok(true)
    }

    fn is_in(&self, folder: &Path) -> bool {
        self.programs.iter().all(|(name, _, expected)| {
            let found = File::open(folder.join(name)).and_then(|mut file| digest(&mut file));
            found.is_ok_and(|found| found == *expected)
        })
    }
}

fn digest(file: &mut File) -> io::Result<Vec<u8>> {
    let mut hash = Sha256::new();
    file.rewind()?;
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            length => hash.update(buffer.get(..length).unwrap_or_default()),
        }
    }
    Ok(hash.finalize().to_vec())
}

/// Which version is current.
pub(crate) fn current(bin: &Path) -> Option<String> {
    let target = fs::read_link(bin.join(CURRENT)).ok()?;
    Some(target.to_string_lossy().into_owned())
}

/// Makes a version the current one, or none.
pub(crate) fn make_current(bin: &Path, name: Option<&str>) -> Result<(), Error> {
    match name {
        Some(name) => files::link(&bin.join(CURRENT), Path::new(name)),
        None => files::remove(&bin.join(CURRENT)),
    }
}

/// The shim of the current version.
pub(crate) fn shim(bin: &Path) -> PathBuf {
    bin.join(CURRENT).join(SHIM)
}

/// The first of `folders` that a link can be put into.
pub(crate) fn link_place(bin: &Path, folders: &[PathBuf]) -> Result<Option<PathBuf>, Error> {
    let target = shim(bin);
    for folder in folders {
        let path = folder.join(SHIM);
        if fs::read_link(&path).is_ok_and(|there| there == target) {
            return Ok(Some(path));
        }
        // Some systems have a read-only /usr.
        if !folder.is_dir() || rustix::fs::access(folder, Access::WRITE_OK).is_err() {
            continue;
        }
        if fs::symlink_metadata(&path).is_ok_and(|there| !there.is_symlink()) {
            return Err(Error::Occupied(path));
        }
        return Ok(Some(path));
    }
    Ok(None)
}

/// Puts a link to the shim there.
pub(crate) fn link(bin: &Path, path: &Path) -> Result<(), Error> {
    files::link(path, &shim(bin))
}

/// Removes the link, wherever it is.
pub(crate) fn unlink(bin: &Path, folders: &[PathBuf]) -> Result<(), Error> {
    let target = shim(bin);
    for folder in folders {
        let path = folder.join(SHIM);
        if fs::read_link(&path).is_ok_and(|there| there == target) {
            files::remove(&path)?;
        }
    }
    Ok(())
}

/// All versions that are there.
fn versions(bin: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(bin).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

/// Ends daemons of other versions than the current one: their keeper starts one of this version in their place, and pods live on.
pub(crate) fn replace_daemons(bin: &Path) -> usize {
    let current = current(bin).map(|name| bin.join(name));
    let mut others = versions(bin);
    others.retain(|folder| Some(folder) != current.as_ref());
    let daemons: Vec<PathBuf> = others.iter().map(|folder| folder.join(DAEMON)).collect();
    let running = processes::running(&daemons);
    running
        .iter()
        .for_each(|pid| processes::signal(*pid, Signal::KILL));
    running.len()
}

/// Ends the daemons that run: their keeper starts one of the current version in their place, and pods live on.
pub(crate) fn restart_daemons(bin: &Path) -> usize {
    let running = daemons(bin);
    for daemon in &running {
        processes::signal(*daemon, Signal::KILL);
    }
    running.len()
}

/// The daemons of any version.
pub(crate) fn daemons(bin: &Path) -> Vec<rustix::process::Pid> {
    let daemons: Vec<PathBuf> = versions(bin).iter().map(|folder| folder.join(DAEMON)).collect();
    processes::running(&daemons)
}

/// All processes of any version.
pub(crate) fn processes(bin: &Path) -> Vec<rustix::process::Pid> {
    let folders = versions(bin);
    let programs: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| PROGRAMS.iter().map(|name| folder.join(name)))
        .collect();
    processes::running(&programs)
}

/// Removes versions that are neither current nor run: a keeper and its workers stay what they are while pods live.
pub(crate) fn sweep(bin: &Path) -> Result<(), Error> {
    let current = current(bin).map(|name| bin.join(name));
    for folder in versions(bin) {
        let programs: Vec<PathBuf> = PROGRAMS.iter().map(|name| folder.join(name)).collect();
        if Some(&folder) != current.as_ref() && processes::running(&programs).is_empty() {
            files::remove_folder(&folder)?;
        }
    }
    Ok(())
}
