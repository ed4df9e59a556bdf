//! What all tests share: WebAssembly to move about, impatient options, a look at what a cache holds.

pub(crate) mod docker;
pub(crate) mod fake;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use shoal_artifact::{
    ArtifactError, Cache, CredentialSource, FetchOptions, PlainHttp, Progress, Source, Step, Transport,
};

/// A component whose only section is a custom one with `content`: enough for everything but the compiler.
pub(crate) fn component(content: &[u8]) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    let mut size = content.len() + 2;
    bytes.push(0);
    loop {
        let byte = (size & 0x7f) as u8;
        size >>= 7;
        bytes.push(if size == 0 { byte } else { byte | 0x80 });
        if size == 0 {
            break;
        }
    }
    bytes.extend_from_slice(b"\x01x");
    bytes.extend_from_slice(content);
    bytes
}

/// Plain HTTP to one registry, anonymous, and little patience.
pub(crate) fn transport(registry: &str) -> Transport {
    Transport {
        plain_http: PlainHttp::Hosts(vec![registry.to_owned()]),
        credentials: CredentialSource::Anonymous,
        stall_timeout: Duration::from_millis(300),
        total_timeout: Duration::from_secs(30),
        attempts: 3,
        backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(50),
        ..Transport::default()
    }
}

pub(crate) fn options(registry: &str) -> FetchOptions {
    FetchOptions {
        transport: transport(registry),
        max_size: 1 << 20,
        ..FetchOptions::default()
    }
}

pub(crate) fn source(text: &str) -> Source {
    Source::reference(text).unwrap()
}

/// A cache in a folder of its own.
pub(crate) struct TempCache {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) cache: Cache,
}

impl TempCache {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().join("cache")).unwrap();
        Self { dir, cache }
    }

    /// Every file below the cache's folder that holds something for others, and every folder that should be gone by now.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(self.cache.dir(), self.cache.dir(), &mut found);
        found.sort();
        found
    }

    /// Temporary files and locks that are still there.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let temporary = |name: &String| name.starts_with("tmp/") || name.starts_with("locks/");
        self.files().into_iter().filter(temporary).collect()
    }

    pub(crate) fn assert_empty(&self) {
        assert_eq!(self.files(), Vec::<String>::new(), "the cache must hold nothing");
    }
}

fn walk(root: &Path, dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if name == "size" || name == "leases" {
            continue;
        }
        if !path.is_dir() || name.starts_with("tmp/") {
            found.push(name);
        } else {
            walk(root, &path, found);
        }
    }
}

/// An error's message, after checking that it is one readable line.
pub(crate) fn readable(error: &ArtifactError) -> String {
    let text = error.to_string();
    assert!(text.len() < 600 && !text.contains('\n'), "not readable: {text}");
    text
}

/// Records the steps of an operation.
#[derive(Default)]
pub(crate) struct Steps(pub(crate) Mutex<Vec<String>>);

impl Steps {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Progress for Steps {
    fn started(&self, step: Step, total: Option<u64>) {
        self.0.lock().unwrap().push(format!("{step:?} {total:?}"));
    }

    fn advanced(&self, bytes: u64) {
        let mut steps = self.0.lock().unwrap();
        let sum = match steps
            .last()
            .and_then(|last| last.strip_prefix('+'))
            .and_then(|n| n.parse::<u64>().ok())
        {
            Some(sum) => {
                steps.pop();
                sum
            }
            None => 0,
        };
        steps.push(format!("+{}", sum + bytes));
    }

    fn finished(&self, step: Step) {
        self.0.lock().unwrap().push(format!("{step:?} done"));
    }
}
