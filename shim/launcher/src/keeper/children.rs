//! Processes that have ended, and the end of those that are left. Which of them matter to whom is `keeper`'s.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process};

/// How long the last ones may take to die of SIGKILL.
const DYING: Duration = Duration::from_secs(5);

/// Children that have ended, ours and those of dead daemons, with their status as wait(2) tells it.
pub(crate) fn reap() -> Vec<(Pid, i32)> {
    let mut ended = Vec::new();
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        ended.push((pid, status.as_raw()));
    }
    ended
}

/// Kills all that is left below this process. As a subreaper it also becomes the parent of what these leave behind.
pub(crate) fn kill_all() {
    let deadline = Instant::now() + DYING;
    loop {
        reap();
        let children = list();
        if children.is_empty() || Instant::now() > deadline {
            return;
        }
        for child in children {
            let _ = kill_process(child, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The children of the keeper's one thread (proc(5), `/proc/pid/task/tid/children`; kernels have it for checkpoints and for
/// containers, CONFIG_PROC_CHILDREN).
fn list() -> Vec<Pid> {
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    let pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    pids.filter_map(Pid::from_raw).collect()
}
