//! Files of the node: replaced whole, so that whoever reads sees the old one or the new one, also after the power failed.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use crate::config::Tree;
use crate::error::Error;

/// The node's files, for decisions.
#[derive(Debug)]
pub(crate) struct NodeTree;

impl Tree for NodeTree {
    fn read(&self, path: &Path) -> io::Result<Option<String>> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }
}

pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Puts `text` into `path`. A file that is there keeps its mode and owner, and a link stays one.
pub(crate) fn replace(path: &Path, text: &[u8]) -> Result<(), Error> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    write(path, text).map_err(Error::file("write", path))
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    // Not a name that a pattern of containerd's imports matches.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = folder.join(format!(".{name}.shoal-new"));
    let mut file = File::create(&new)?;
    match fs::metadata(path) {
        Ok(old) => {
            file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
            chown(&new, Some(old.uid()), Some(old.gid()))?;
        }
        Err(_) => file.set_permissions(Permissions::from_mode(0o644))?,
    }
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync(folder)
}

/// Removes a file; that it is gone already is no error.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if !is_absent(&error) => return Err(Error::file("remove", path)(error)),
        _ => {}
    }
    // A folder that we made for it.
    if let Some(folder) = path.parent()
        && folder.file_name().is_some_and(|name| name == "conf.d")
    {
        let _not_empty = fs::remove_dir(folder);
    }
    Ok(())
}

/// Makes `path` a link to `target`, whatever link it was.
pub(crate) fn link(path: &Path, target: &Path) -> Result<(), Error> {
    if fs::read_link(path).is_ok_and(|there| there == target) {
        return Ok(());
    }
    let make = || {
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let new = folder.join(format!(".{name}.shoal-new"));
        let _left = fs::remove_file(&new);
        symlink(target, &new)?;
        fs::rename(&new, path)?;
        sync(folder)
    };
    make().map_err(Error::file("make the link", path))
}

/// Waits until the disk has what a folder says.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes a folder with all in it; that it is gone already is no error.
pub(crate) fn remove_folder(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if !is_absent(&error) => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
}
