//! A FUSE file system that can be mounted and then never answers, as a network file system without its server. For tests alone, as root.
//! Its root may be looked at, as kubelet and containerd do before anybody uses a volume.
//!
//! The kernel waits for the answer to a request that the server has read, and no signal ends that (`request_wait_answer` in
//! `fs/fuse/dev.c`). So a process that touches this file system can't be killed before it is dropped.

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// `FUSE_INIT` and `FUSE_GETATTR` (linux/fuse.h), the requests that are answered.
const INIT: u32 = 26;
const GETATTR: u32 = 3;
/// The size of `fuse_in_header`.
const IN_HEADER: usize = 40;
/// The sizes of `fuse_out_header`, of `fuse_init_out` since version 7.23, and of `fuse_attr_out`.
const OUT_HEADER: usize = 16;
const INIT_OUT: usize = 64;
const ATTR_OUT: usize = 104;
/// Requests are read whole; `max_write` and a page are the largest.
const BUFFER: usize = 256 << 10;
/// `max_write`: no more than a page in one request.
const MAX_WRITE: u32 = 4096;

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// What the root is: a folder. So the file system can be given to a pod, and whoever then uses it hangs.
    Root,
    /// Nothing. Even to look at the root hangs.
    Nothing,
}

/// The file system, mounted until it is dropped. All that wait for it get an error then.
#[derive(Debug)]
pub struct SilentFs {
    path: PathBuf,
    asked: Arc<AtomicUsize>,
    server: Option<JoinHandle<()>>,
}

impl SilentFs {
    /// Mounts it at `path`, a folder, in the mount namespace of this thread.
    ///
    /// # Errors
    ///
    /// Where this process is not root, or there is no `/dev/fuse`.
    pub fn mount(path: &Path, answers: Answers) -> io::Result<Self> {
        let device = File::options().read(true).write(true).open("/dev/fuse")?;
        let mut options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0,allow_other",
            device.as_raw_fd()
        );
        if answers == Answers::Nothing {
            // Then the kernel asks for the mode of whatever is walked through.
            options.push_str(",default_permissions");
        }
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        let options = CString::new(options)?;
        mount("silent", path, "fuse.silent", flags, Some(options.as_c_str()))?;
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let server = std::thread::Builder::new()
            .name("silent-fs".to_owned())
            .spawn(move || serve(device, answers, &count))?;
        Ok(Self {
            path: path.to_owned(),
            asked,
            server: Some(server),
        })
    }

    /// How many requests wait for an answer.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// The same, for somebody else to look at.
    pub fn counter(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.asked)
    }
}

impl Drop for SilentFs {
    fn drop(&mut self) {
        // By force: what waits is told that there is no answer, in other mounts of it too; so the server's read ends as well.
        let _ = unmount(&self.path, UnmountFlags::FORCE | UnmountFlags::DETACH);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

/// Reads requests until the file system is unmounted.
fn serve(mut device: File, answers: Answers, asked: &AtomicUsize) {
    let mut request = vec![0; BUFFER];
    loop {
        match device.read(&mut request) {
            Ok(read) if read >= IN_HEADER => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // A request that was taken back before it was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            _ => return,
        }
        let answer = match (word(&request, 4), answers) {
            (INIT, _) => init(&request),
            (GETATTR, Answers::Root) => root(),
            _ => {
                asked.fetch_add(1, Ordering::Relaxed);
                continue;
            }
        };
        // An error: it was taken back meanwhile.
        let _ = device.write(&answered(&request, &answer));
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    word.map_or(0, u32::from_ne_bytes)
}

/// An answer behind its `fuse_out_header`: the length, no error, the request's number.
fn answered(request: &[u8], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(OUT_HEADER + content.len()).unwrap_or_default();
    let header = [
        &length.to_ne_bytes()[..],
        &[0; 4],
        request.get(8..16).unwrap_or_default(),
    ];
    [&header.concat(), content].concat()
}

/// A `fuse_init_out`, without any of the options.
fn init(request: &[u8]) -> Vec<u8> {
    let (major, minor) = (word(request, IN_HEADER), word(request, IN_HEADER + 4));
    let mut answer = Vec::with_capacity(INIT_OUT);
    // Version, read-ahead, flags.
    for value in [major, minor.min(31), 0, 0] {
        answer.extend(value.to_ne_bytes());
    }
    // max_background, congestion_threshold: what may be under way in the background.
    answer.extend([12_u16, 9].map(u16::to_ne_bytes).concat());
    answer.extend(MAX_WRITE.to_ne_bytes());
    // time_gran, in nanoseconds.
    answer.extend(1_u32.to_ne_bytes());
    answer.resize(INIT_OUT, 0);
    answer
}

/// A `fuse_attr_out`: a folder that everybody may read, which stays so.
fn root() -> Vec<u8> {
    let mut answer = Vec::with_capacity(ATTR_OUT);
    // attr_valid in seconds; its nanoseconds and padding.
    answer.extend(3600_u64.to_ne_bytes());
    answer.extend([0; 8]);
    // The number of the root; size, blocks and times.
    answer.extend(1_u64.to_ne_bytes());
    answer.extend([0; 52]);
    // Mode and links.
    for value in [0o040_755_u32, 2] {
        answer.extend(value.to_ne_bytes());
    }
    answer.resize(ATTR_OUT, 0);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    /// Far beyond what the kernel takes.
    const LONG: Duration = Duration::from_secs(60);

    fn until(what: &str, done: impl Fn() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < LONG, "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn who_asks_it_can_not_be_killed_until_it_is_gone() {
        let folder = std::env::temp_dir().join(format!("silent-fs-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let silent = SilentFs::mount(&folder, Answers::Root).unwrap();
        let mut child = Command::new("ls")
            .arg(&folder)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("it asks", || silent.asked() > 0);
        child.kill().unwrap();
        let status = || std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        // SIGKILL is pending, and stays so.
        until("it is signalled", || {
            status().contains("\nSigPnd:\t0000000000000100")
        });
        std::thread::sleep(Duration::from_millis(200));
        assert!(status().contains("State:\tD"), "{}", status());
        drop(silent);
        child.wait().unwrap();
        std::fs::remove_dir(&folder).unwrap();
    }
}
