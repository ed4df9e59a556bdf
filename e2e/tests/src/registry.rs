//! Debian's docker-registry, on a port of the kernel's choice and ended by its process id.

use serde_json::json;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A registry without a login, without TLS.
pub struct Registry {
    /// `127.0.0.1:port`.
    pub name: String,
    child: Child,
    folder: TempDir,
}

impl Registry {
    /// Starts one with nothing in it.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({
            "version": 0.1,
            "storage": { "filesystem": { "rootdirectory": folder.path().join("storage") } },
            "http": { "addr": "127.0.0.1:0" },
        });
        let path = folder.path().join("config.yml");
        std::fs::write(&path, config.to_string()).unwrap();
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("docker-registry can't be run ({error}): apt-get install docker-registry")
            });
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut seen = String::new();
        let name = loop {
            let line = log
                .next()
                .unwrap_or_else(|| panic!("docker-registry ended: {seen}"))
                .unwrap();
            if let Some((_, address)) = line.split_once("listening on ") {
                let address = address.trim_start_matches(|c: char| !c.is_ascii_digit());
                let end = address.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'));
                break address[..end.unwrap_or(address.len())].to_owned();
            }
            seen.push_str(&line);
        };
        // It must not die of a full pipe.
        std::thread::spawn(move || log.for_each(drop));
        Self { name, child, folder }
    }

    /// A reference to something in it.
    pub fn reference(&self, rest: &str) -> String {
        format!("{}/{rest}", self.name)
    }

    /// The files that hold its blobs, the largest first.
    pub fn blobs(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(
            &self.folder.path().join("storage/docker/registry/v2/blobs"),
            &mut found,
        );
        found.sort_by_key(|path| std::cmp::Reverse(path.metadata().unwrap().len()));
        found
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every file below a folder.
pub fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            walk(&path, found)
        } else {
            found.push(path)
        }
    }
}
