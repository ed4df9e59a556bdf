//! One installer at a time on a node, and its word to the probe that it is done. Both end with the process.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::Error;
use crate::{files, processes};

/// What a reboot may take.
pub(crate) const FOLDER: &str = "/run/shoal/installer";
/// The pod before this one may take its time to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until no other is at work.
pub(crate) async fn take() -> Result<File, Error> {
    let path = Path::new(FOLDER).join("lock");
    fs::create_dir_all(FOLDER).map_err(Error::file("make", Path::new(FOLDER)))?;
    let file = File::create(&path).map_err(Error::file("open", &path))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                sleep(Duration::from_millis(200)).await;
            }
            Err(TryLockError::WouldBlock) => return Err(Error::Busy(path)),
            Err(TryLockError::Error(error)) => return Err(Error::file("lock", &path)(error)),
        }
    }
}

fn word() -> PathBuf {
    Path::new(FOLDER).join("ready")
}

/// Says that this process has done what it was started for.
pub fn say_ready() -> Result<(), Error> {
    let pid = std::process::id();
    let start = processes::start_of(pid).unwrap_or_default();
    files::replace(&word(), format!("{pid} {start}\n").as_bytes())
}

/// Takes that back, whoever said it.
pub fn unsay_ready() -> Result<(), Error> {
    files::remove(&word())
}

/// Whether a process that lives has said so.
pub fn is_ready() -> bool {
    let said = fs::read_to_string(word()).unwrap_or_default();
    let said = said.trim().split_once(' ');
    said.is_some_and(|(pid, start)| {
        let pid = pid.parse().ok();
        pid.and_then(processes::start_of).as_deref() == Some(start)
    })
}
