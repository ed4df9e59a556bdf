//! What must outlive the daemon: a file of JSON for each record, replaced by rename. The folder is emptied by a reboot, as all that
//! the records speak of is.

use crate::error::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The records of one kind.
#[derive(Debug)]
pub(crate) struct Records<T> {
    folder: PathBuf,
    kind: PhantomData<fn(T)>,
}

impl<T: Serialize + DeserializeOwned> Records<T> {
    pub(crate) fn open(folder: PathBuf) -> Result<Self, Error> {
        fs::create_dir_all(&folder).map_err(Error::file("create", &folder))?;
        Ok(Self {
            folder,
            kind: PhantomData,
        })
    }

    /// All of them. One that cannot be read is left where it is, and told of: what it spoke of is lost to us, not gone.
    pub(crate) fn load(&self) -> Result<Vec<T>, Error> {
        let entries = fs::read_dir(&self.folder).map_err(Error::file("list", &self.folder))?;
        let mut records = Vec::new();
        for entry in entries {
            let path = entry.map_err(Error::file("list", &self.folder))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match read(&path) {
                Ok(record) => records.push(record),
                Err(error) => tracing::error!(path = %path.display(), "cannot read a record: {error}"),
            }
        }
        Ok(records)
    }

    pub(crate) fn put(&self, id: &str, record: &T) -> Result<(), Error> {
        let path = self.path(id);
        let write = || {
            let mut file = tempfile::Builder::new()
                .prefix(".new")
                .tempfile_in(&self.folder)?;
            serde_json::to_writer(&mut file, record)?;
            file.flush()?;
            file.persist(&path)?;
            io::Result::Ok(())
        };
        write().map_err(Error::file("write", &path))
    }

    pub(crate) fn remove(&self, id: &str) {
        let path = self.path(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(path = %path.display(), "cannot remove a record: {error}");
            }
            _ => {}
        }
    }

    /// containerd's identifiers have letters, digits and `-_.` alone (`pkg/identifiers`); nothing else leaves the folder either.
    fn path(&self, id: &str) -> PathBuf {
        let name: String = id
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        self.folder.join(format!("{name}.json"))
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_a_broken_one_harms_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::<Vec<u32>>::open(folder.path().join("tasks")).unwrap();
        records.put("a", &vec![1]).unwrap();
        records.put("b", &vec![2]).unwrap();
        records.put("../../c", &vec![3]).unwrap();
        fs::write(folder.path().join("tasks/d.json"), "{").unwrap();
        records.put("a", &vec![4]).unwrap();
        records.remove("b");
        records.remove("b");
        let mut loaded = records.load().unwrap();
        loaded.sort();
        assert_eq!(loaded, [vec![3], vec![4]]);
    }
}
