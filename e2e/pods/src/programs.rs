//! Other builds of a node's programs, beside those that it has: as an installer puts them there, with a link `current` that says which
//! is to be run.

use crate::{node, until};
use shoal_cluster::LocalNode;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What lies beside each other.
const PROGRAMS: [&str; 3] = ["shoald", "shoal-worker", "shoal-compile"];

/// The builds of a node. Dropped, the link is gone, and so are they; the daemon that runs then is the node's own after its next start.
pub struct Programs<'a> {
    node: &'a LocalNode,
    own: PathBuf,
    made: Vec<PathBuf>,
}

impl<'a> Programs<'a> {
    /// Those of `node`, whose daemon runs.
    pub fn of(node: &'a LocalNode) -> Self {
        let daemon = fs::read_link(format!("/proc/{}/exe", node::daemon(node))).expect("a daemon");
        Self {
            node,
            own: daemon.parent().expect("a folder").to_owned(),
            made: Vec::new(),
        }
    }

    /// Another build, which does the same: its worker is another file.
    pub fn another(&mut self, name: &str) {
        let worker = self.copy(name).join("shoal-worker");
        let mut file = fs::File::options().append(true).open(worker).expect("a worker");
        file.write_all(name.as_bytes()).expect("written");
    }

    /// A build whose worker ends as soon as it is started.
    pub fn broken(&mut self, name: &str) {
        let worker = self.copy(name).join("shoal-worker");
        fs::copy("/bin/false", worker).expect("a worker");
    }

    /// Whether there is a build of that name, which somebody else made.
    pub fn has(&self, name: &str) -> bool {
        self.builds().join(name).join("shoald").is_file()
    }

    fn copy(&mut self, name: &str) -> PathBuf {
        let folder = self.builds().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        for program in PROGRAMS {
            fs::copy(self.own.join(program), folder.join(program)).expect("a program");
        }
        self.made.push(folder.clone());
        folder
    }

    /// Has the node's next daemon be that of this build, of its own one where there is no name, and ends the one that runs.
    pub fn switch(&self, name: Option<&str>) {
        let link = self.builds().join("current");
        let _ = fs::remove_file(&link);
        if let Some(name) = name {
            symlink(name, &link).expect("a link");
        }
        let before = node::daemon(self.node);
        node::kill(before);
        let wanted = name.map_or(self.own.clone(), |name| self.builds().join(name));
        until("the daemon of the other build", || {
            let found = node::find_daemon(self.node).filter(|pid| *pid != before);
            let program = found.and_then(|pid| fs::read_link(format!("/proc/{pid}/exe")).ok());
            match program.as_deref().and_then(Path::parent) {
                Some(folder) if folder == wanted => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }

    fn builds(&self) -> PathBuf {
        self.own.parent().expect("a folder").to_owned()
    }
}

impl Drop for Programs<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.builds().join("current"));
        for folder in &self.made {
            let _ = fs::remove_dir_all(folder);
        }
    }
}
