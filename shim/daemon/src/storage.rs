//! The files of a pod's stores, which its worker can't open. A volume's folder is kubelet's; what is in it may be anybody's, so nothing
//! in it is followed.

use crate::error::Error;
use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, open as open_folder, openat2};
use rustix::io::Errno;
use shoal_protocol::Task;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Opens the files of `task`'s stores, in the order of [`Task::files`]; one that is not there is made. `volumes` are the folders of its
/// volumes by their names.
pub(crate) fn open(task: &Task, volumes: &BTreeMap<String, PathBuf>) -> Result<Vec<OwnedFd>, Error> {
    let files = task.files().map(|(store, volume)| {
        // The volume may be one that other services have too.
        let name = format!("{}.{store}.redb", task.service.1);
        let folder = volumes.get(volume).cloned().unwrap_or_default();
        in_folder(&folder, &name).map_err(|source| Error::Storage {
            store: store.to_owned(),
            path: folder.join(name),
            source: source.into(),
        })
    });
    files.collect()
}

fn in_folder(folder: &std::path::Path, name: &str) -> Result<OwnedFd, Errno> {
    let folder = open_folder(
        folder,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    // Not to wait for the other end of a pipe that somebody put there.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let file = openat2(&folder, name, flags, Mode::RUSR | Mode::WUSR, within)?;
    let found = fstat(&file)?;
    // Another name of it could be anywhere on the volume's disk.
    if !rustix::fs::FileType::from_raw_mode(found.st_mode).is_file() || found.st_nlink != 1 {
        return Err(Errno::INVAL);
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_is_made_and_nothing_else_is_followed_or_taken() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        in_folder(folder.path(), "new").unwrap();
        assert!(folder.path().join("new").is_file());
        in_folder(folder.path(), "new").unwrap();
        symlink(outside.path().join("secret"), folder.path().join("link")).unwrap();
        assert_eq!(in_folder(folder.path(), "link").unwrap_err(), Errno::LOOP);
        assert_eq!(in_folder(folder.path(), "../secret").unwrap_err(), Errno::XDEV);
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        assert_eq!(in_folder(folder.path(), "folder").unwrap_err(), Errno::ISDIR);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            folder.path().join("pipe"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(in_folder(folder.path(), "pipe").unwrap_err(), Errno::INVAL);
        std::fs::hard_link(folder.path().join("new"), folder.path().join("twin")).unwrap();
        assert_eq!(in_folder(folder.path(), "twin").unwrap_err(), Errno::INVAL);
    }
}
