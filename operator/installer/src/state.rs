//! What is remembered on the node between runs, so that one that was killed is taken up by the next. What is done is elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Change;
use crate::distribution::Distribution;
use crate::error::Error;
use crate::files;
use crate::runtime::Version;

/// All that this program has on the node beside the binaries.
pub(crate) const FOLDER: &str = "/var/lib/shoal/installer";
const FIRST_PAUSE: Duration = Duration::from_mins(10);
const LONGEST_PAUSE: Duration = Duration::from_hours(6);

/// See the fields.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// containerd as it was found last: a run that finds it down has to know.
    pub(crate) known: Option<Known>,
    /// Files as they were before we changed them.
    pub(crate) changed: Vec<Changed>,
    /// containerd may not have loaded what is on the disk.
    pub(crate) restart: bool,
    /// The link `current` as it was before this installation.
    pub(crate) previous: Option<String>,
    /// The size of the cache that we wrote; none where nobody told us one.
    pub(crate) cache_size: Option<String>,
    /// The last failure, until something succeeds.
    pub(crate) failed: Option<Failed>,
}

/// What is known of a containerd without asking it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) distribution: Distribution,
    pub(crate) version: Version,
    pub(crate) config: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) unit: Option<String>,
    pub(crate) path: Vec<PathBuf>,
}

/// A file that we changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changed {
    pub(crate) path: PathBuf,
    /// Where its bytes are kept; none where it was not there.
    pub(crate) before: Option<PathBuf>,
    /// The hash of what we wrote; none where we removed it.
    pub(crate) after: Option<String>,
}

/// A failure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Failed {
    /// Of what was tried.
    pub(crate) attempt: String,
    pub(crate) reason: String,
    pub(crate) at: u64,
    pub(crate) count: u32,
}

impl State {
    fn path() -> PathBuf {
        Path::new(FOLDER).join("state.json")
    }

    /// What was remembered; nothing where it can't be read: then everything is found out anew.
    pub(crate) fn load() -> Self {
        let bytes = fs::read(Self::path()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    pub(crate) fn save(&self) -> Result<(), Error> {
        let bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        files::replace(&Self::path(), &bytes)
    }

    /// Writes down what is about to change, with what is there now. A file that still is as we left it keeps its oldest copy: the
    /// one from before the first of us.
    pub(crate) fn prepare(&mut self, changes: &[Change]) -> Result<(), Error> {
        for change in changes {
            let path = &change.path;
            let there = match fs::read(path) {
                Ok(bytes) => Some(bytes),
                Err(error) if files::is_absent(&error) => None,
                Err(error) => return Err(Error::file("read", path)(error)),
            };
            let after = change.after.as_ref().map(|text| hash(text.as_bytes()));
            let now = there.as_deref().map(hash);
            if let Some(known) = self.changed.iter_mut().find(|known| known.path == *path) {
                if known.after == now {
                    known.after = after;
                    continue;
                }
                let path = path.clone();
                self.changed.retain(|known| known.path != path);
            }
            let before = match there {
                None => None,
                Some(bytes) => {
                    let inside = path.strip_prefix("/").unwrap_or(path);
                    let copy = Path::new(FOLDER).join("before").join(inside);
                    files::replace(&copy, &bytes)?;
                    Some(copy)
                }
            };
            let path = path.clone();
            self.changed.push(Changed { path, before, after });
        }
        self.restart = true;
        self.save()
    }

    /// Whether this was tried lately and failed.
    pub(crate) fn check_pause(&self, attempt: &str) -> Result<(), Error> {
        let Some(failed) = self.failed.as_ref().filter(|failed| failed.attempt == attempt) else {
            return Ok(());
        };
        match pause(failed.count).checked_sub(Duration::from_secs(now().saturating_sub(failed.at))) {
            Some(left) if !left.is_zero() => Err(Error::TooSoon {
                minutes: left.as_secs().div_ceil(60),
                reason: failed.reason.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Remembers a failure: each one restarts containerd twice, so the next of the same kind waits.
    pub(crate) fn fail(&mut self, attempt: String, error: &Error) -> Result<(), Error> {
        let before = self.failed.as_ref().filter(|failed| failed.attempt == attempt);
        self.failed = Some(Failed {
            count: before.map_or(0, |failed| failed.count) + 1,
            attempt,
            reason: error.to_string(),
            at: now(),
        });
        self.save()
    }
}

fn pause(count: u32) -> Duration {
    LONGEST_PAUSE.min(FIRST_PAUSE.saturating_mul(1 << count.saturating_sub(1).min(16)))
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

pub(crate) fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_tried_again_ever_later() {
        let minutes: Vec<u64> = (1..=8).map(|count| pause(count).as_secs() / 60).collect();
        assert_eq!(minutes, [10, 20, 40, 80, 160, 320, 360, 360]);
        let failed = |at| State {
            failed: Some(Failed {
                attempt: "a".to_owned(),
                reason: "it did not work".to_owned(),
                at,
                count: 1,
            }),
            ..State::default()
        };
        let just = failed(now()).check_pause("a").unwrap_err().to_string();
        assert!(
            just.contains("10 min") && just.contains("it did not work"),
            "{just}"
        );
        assert!(failed(now()).check_pause("another").is_ok());
        assert!(failed(now() - 601).check_pause("a").is_ok());
    }
}
