//! `containerd-shim-null-v1`: a shim whose pods and containers are rows of a table, and nothing else. One daemon for the whole node, no
//! process, no namespace, no image is touched. What pods still cost with it is containerd's, CNI's and kubelet's: the best that any shim
//! can reach, and what `make bench-shim` measures against. Not for anything else.

mod daemon;
mod launch;
mod sandboxes;
mod table;
mod tasks;

use anyhow::bail;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // containerd's flags come first and one of these words last; a flag's value may be any of them (`-id delete`).
    match args.last().map(String::as_str) {
        Some("start") => launch::start(),
        Some("delete") => launch::delete(),
        Some("-info") => launch::info(),
        Some("-v") => launch::version(),
        Some("daemon") => daemon::run(),
        _ => bail!(
            "this is run by containerd: [-namespace NAME -id ID -address PATH ...] start|delete, or -info, or -v"
        ),
    }
}
