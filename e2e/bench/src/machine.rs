//! What the machine is, and what else it did meanwhile: figures of a busy machine are worth less, and say so.

use std::fs::read_to_string;
use std::time::Instant;

/// Kernel's clock ticks per second in /proc (`USER_HZ`, 100 on every Linux architecture that Rust knows).
const TICKS_PER_SECOND: f64 = 100.0;

/// A line for people: processor, cores, memory, kernel.
pub(crate) fn description() -> String {
    let value = |file: &str, key: &str| {
        let text = read_to_string(file).unwrap_or_default();
        let line = text
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_default();
        line.split_once(':')
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let memory: f64 = value("/proc/meminfo", "MemTotal")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or_default();
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let model = value("/proc/cpuinfo", "model name");
    format!(
        "{model}, {cores} cores, {:.0} GiB, Linux {}",
        memory / f64::from(1 << 20),
        kernel.trim()
    )
}

/// Processor time, in seconds, that a process has used, with its threads.
pub(crate) fn cpu_of(pid: u32) -> f64 {
    ticks(&pid.to_string(), 11..13)
}

/// The same for this process and those of its children that have ended.
pub(crate) fn cpu_of_us() -> f64 {
    ticks("self", 11..15)
}

/// Sums up fields of /proc/PID/stat behind the program's name, which may hold anything: utime, stime, cutime and cstime are there
/// the 12th to 15th (proc(5)).
fn ticks(process: &str, fields: std::ops::Range<usize>) -> f64 {
    let stat = read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let behind = stat.rsplit(')').next().unwrap_or_default();
    let values = behind.split_whitespace().skip(fields.start).take(fields.len());
    values.filter_map(|value| value.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

/// Processor time, in seconds, of all that ran since the start: user, nice, system, interrupts, and what the hypervisor took.
fn cpu_of_all() -> f64 {
    let stat = read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<f64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|field| field.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq steal
    let at = |n: usize| fields.get(n).copied().unwrap_or_default();
    (at(0) + at(1) + at(2) + at(5) + at(6) + at(7)) / TICKS_PER_SECOND
}

/// Tells how busy the machine was with what is not ours.
pub(crate) struct Quiet {
    all: f64,
    ours: f64,
    start: Instant,
}

impl Quiet {
    /// Begins; `ours` is the processor time of our processes so far.
    pub(crate) fn begin(ours: f64) -> Self {
        Self {
            all: cpu_of_all(),
            ours,
            start: Instant::now(),
        }
    }

    /// Processors that others used, on average: 0 on a quiet machine.
    pub(crate) fn others(&self, ours: f64) -> f64 {
        let used = (cpu_of_all() - self.all) - (ours - self.ours);
        (used / self.start.elapsed().as_secs_f64()).max(0.0)
    }
}

/// Kilobytes of this process: pages of its own, and its share of all pages (proc(5), `smaps_rollup`).
pub(crate) fn memory() -> (f64, f64) {
    let rollup = read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let value = |key: &str| {
        let line = rollup
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_default();
        line.trim()
            .trim_end_matches(" kB")
            .trim()
            .parse()
            .unwrap_or_default()
    };
    (value("Anonymous:"), value("Pss:"))
}
