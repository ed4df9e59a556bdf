//! Makes the folders of a node, and writes files whole. Where they are is `shoal-channel`'s.

use std::fs::{DirBuilder, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use shoal_channel::node::Folders;

/// Makes what is not there. Who may write into these folders is root on this node, so others than us may not own them.
pub(crate) fn prepare(folders: &Folders) -> anyhow::Result<()> {
    for folder in [&folders.run, &folders.root, &folders.root.join("log")] {
        make(folder).with_context(|| format!("the folder {}", folder.display()))?;
    }
    Ok(())
}

fn make(folder: &Path) -> anyhow::Result<()> {
    if !folder.is_absolute() {
        bail!("is not an absolute path: set SHOAL_RUN and SHOAL_ROOT to absolute paths");
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let meta = std::fs::symlink_metadata(folder)?;
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() {
        bail!("is a link or belongs to another user: remove it");
    }
    if meta.mode() & 0o777 != 0o700 {
        std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Puts `content` into `path`, so that a reader sees all of it or what was there before.
pub(crate) fn replace(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
