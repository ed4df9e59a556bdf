//! The keeper's lines in the log that it shares with its daemon, and that log's size.

use std::fmt::Arguments;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

/// A log that is larger when a daemon starts is set aside.
const MAX_SIZE: u64 = 16 << 20;

/// Writes a line. A full disk must not end the keeper, so this cannot fail.
pub(crate) fn line(text: Arguments<'_>) {
    let now = humantime::format_rfc3339_millis(SystemTime::now());
    let line = format!("{now} keeper: {text}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Makes the log at `path` this process's standard error, and gives it back for its daemon's.
pub(crate) fn open(path: &Path) -> std::io::Result<File> {
    if std::fs::metadata(path).is_ok_and(|meta| meta.len() > MAX_SIZE) {
        std::fs::rename(path, path.with_extension("log.1"))?;
    }
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    rustix::stdio::dup2_stderr(&file)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_large_log_is_set_aside() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("shoald.log");
        let keep = rustix::io::dup(std::io::stderr()).expect("standard error");
        for (size, aside) in [(0, false), (MAX_SIZE, false), (MAX_SIZE + 1, true)] {
            let file = File::create(&path).expect("a file");
            file.set_len(size).expect("a size");
            open(&path).expect("opened");
            let set_aside = folder.path().join("shoald.log.1");
            assert_eq!(set_aside.exists(), aside, "{size} bytes");
            assert_eq!(
                std::fs::metadata(&path).expect("a log").len(),
                if aside { 0 } else { size }
            );
        }
        rustix::stdio::dup2_stderr(&keep).expect("restored");
    }
}
