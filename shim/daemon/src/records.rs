//! What must outlive the daemon: a file of JSON for each record, replaced by rename. The folder is emptied by a reboot, as all that
//! the records speak of is. What is in them is `record`'s.

use crate::error::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shoal_protocol::Version;
use std::io::Write;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Where records lie that can't be read, below the folder of their kind.
const UNREADABLE: &str = "unreadable";

/// The records of one kind.
#[derive(Debug)]
pub(crate) struct Records<T> {
    folder: PathBuf,
    kind: PhantomData<fn(T)>,
}

/// A record as its file has it.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Written<T> {
    /// Who wrote it. Since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<Version>,
    #[serde(flatten)]
    pub(crate) record: T,
}

/// What a folder holds.
#[derive(Debug)]
pub(crate) struct Loaded<T> {
    pub(crate) records: Vec<T>,
    /// What can't be read. It was put aside, and told of.
    pub(crate) unreadable: Vec<Unreadable>,
}

/// A record that can't be read: of a newer version than one back, or broken.
#[derive(Debug)]
pub(crate) struct Unreadable {
    /// The id, as its file is called by it.
    pub(crate) id: String,
    /// Its JSON; null where it is none.
    pub(crate) content: Value,
    /// What is wrong with it, and where it lies now.
    pub(crate) reason: String,
}

impl<T: Serialize + DeserializeOwned> Records<T> {
    pub(crate) fn open(folder: PathBuf) -> Result<Self, Error> {
        fs::create_dir_all(&folder).map_err(Error::file("create", &folder))?;
        Ok(Self {
            folder,
            kind: PhantomData,
        })
    }

    /// All of them. One that can't be read is moved aside, so that the next daemon does not meet it again.
    pub(crate) fn load(&self) -> Result<Loaded<T>, Error> {
        let entries = fs::read_dir(&self.folder).map_err(Error::file("list", &self.folder))?;
        let mut loaded = Loaded {
            records: Vec::new(),
            unreadable: Vec::new(),
        };
        for entry in entries {
            let path = entry.map_err(Error::file("list", &self.folder))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let bytes = fs::read(&path).map_err(Error::file("read", &path))?;
            match serde_json::from_slice::<Written<T>>(&bytes) {
                Ok(written) => loaded.records.push(written.record),
                Err(error) => loaded.unreadable.push(self.put_aside(&path, &bytes, &error)),
            }
        }
        Ok(loaded)
    }

    fn put_aside(&self, path: &Path, bytes: &[u8], error: &serde_json::Error) -> Unreadable {
        let content: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let version = content.get("version").cloned();
        let writer = match version.and_then(|it| serde_json::from_value::<Version>(it).ok()) {
            Some(Version { protocol, build }) => format!("shoald {build} wrote it, in version {protocol}"),
            None => "it does not say who wrote it".to_owned(),
        };
        let folder = self.folder.join(UNREADABLE);
        let aside = folder.join(path.file_name().unwrap_or_default());
        let kept = fs::create_dir_all(&folder).and_then(|()| fs::rename(path, &aside));
        let kept = match kept {
            Ok(()) => format!("it is kept as {}", aside.display()),
            Err(error) => format!("it can't be moved to {}: {error}", aside.display()),
        };
        let reason = format!(
            "shoald can't read the record {}: {error} ({writer}; {kept})",
            path.display()
        );
        tracing::error!("{reason}");
        let id = path.file_stem().unwrap_or_default();
        Unreadable {
            id: id.to_string_lossy().into_owned(),
            content,
            reason,
        }
    }

    pub(crate) fn put(&self, id: &str, record: &T) -> Result<(), Error> {
        let path = self.path(id);
        let written = Written {
            version: Version::ours(),
            record,
        };
        let write = || {
            let mut file = tempfile::Builder::new()
                .prefix(".new")
                .tempfile_in(&self.folder)?;
            serde_json::to_writer(&mut file, &written)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    struct Row {
        size: u32,
    }

    fn opened() -> (tempfile::TempDir, Records<Row>) {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(folder.path().join("tasks")).unwrap();
        (folder, records)
    }

    #[test]
    fn records_come_back() {
        let (_folder, records) = opened();
        for (id, size) in [("a", 1), ("b", 2), ("../../c", 3), ("a", 4)] {
            records.put(id, &Row { size }).unwrap();
        }
        records.remove("b");
        records.remove("b");
        let mut loaded = records.load().unwrap().records;
        loaded.sort();
        assert_eq!(loaded, [Row { size: 3 }, Row { size: 4 }]);
    }

    #[test]
    fn one_that_cannot_be_read_is_put_aside_and_harms_no_other() {
        let (folder, records) = opened();
        records.put("a", &Row { size: 1 }).unwrap();
        let tasks = folder.path().join("tasks");
        fs::write(tasks.join("broken.json"), "{").unwrap();
        let newer = r#"{"version": {"protocol": 9, "build": "9.1.0"}, "id": "newer", "length": 7}"#;
        fs::write(tasks.join("newer.json"), newer).unwrap();
        let loaded = records.load().unwrap();
        assert_eq!(loaded.records, [Row { size: 1 }]);
        let mut unreadable = loaded.unreadable;
        unreadable.sort_by(|a, b| a.id.cmp(&b.id));
        let [broken, newer] = &unreadable[..] else {
            panic!("{unreadable:?}")
        };
        assert_eq!((broken.id.as_str(), &broken.content), ("broken", &Value::Null));
        assert_eq!(
            (newer.id.as_str(), &newer.content["length"]),
            ("newer", &Value::from(7))
        );
        assert!(
            newer.reason.contains("shoald 9.1.0 wrote it, in version 9"),
            "{}",
            newer.reason
        );
        assert!(tasks.join("unreadable/newer.json").is_file());
        // The next daemon is told of nothing.
        let again = records.load().unwrap();
        assert_eq!((again.records.len(), again.unreadable.len()), (1, 0));
    }
}
