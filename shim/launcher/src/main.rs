//! `containerd-shim-shoal-v1`: what containerd starts for each sandbox, and the keeper that it finds or starts. Pods and workers
//! are the daemon's.

mod args;
mod delete;
mod folders;
mod info;
mod keeper;
mod reply;
mod start;

use std::process::ExitCode;

use args::{Action, Args};
use shoal_channel::node::Folders;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // containerd shows this to whoever asked for the pod.
            eprintln!("containerd-shim-shoal-v1: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let args = Args::parse(std::env::args().skip(1))?;
    let folders = Folders::from_env();
    match args.action {
        Action::Version => info::version(),
        Action::Info => info::info(),
        Action::Start => start::run(&folders, &args),
        Action::Delete => delete::run(&folders, &args),
        Action::Keep => keeper::run(folders),
    }
}
