//! The command `shoal-cluster`: arguments in, words out. What is done stands in the modules.

mod cgroup;
mod claim;
mod component;
mod config;
mod control;
mod down;
mod environment;
mod image;
mod knobs;
mod layout;
mod network;
mod node;
mod objects;
mod pki;
mod strays;
mod toolset;
mod up;
mod wait;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A real Kubernetes on this machine: the control plane and each node in a network namespace of its own. Needs root.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the programs of pinned versions, where they are not built yet; prints their folders.
    Build {
        /// Which sets of programs; by default all that a cluster needs (all but helm).
        sets: Vec<String>,
    },
    /// Start a cluster, or repair what is not running of it.
    Up(up::Options),
    /// End a cluster and remove all that it left.
    Down {
        /// Which one.
        #[arg(long, default_value = layout::DEFAULT_NAME)]
        name: String,
    },
    /// Print what a shell or a test needs to use a cluster, as `export` lines.
    Env {
        /// Which one.
        #[arg(long, default_value = layout::DEFAULT_NAME)]
        name: String,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        // Without a backtrace, whatever RUST_BACKTRACE says: logs are quoted in errors, and must be found in them.
        Err(error) => {
            eprintln!("shoal-cluster: {error}");
            error.chain().skip(1).for_each(|cause| eprintln!("  {cause}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Build { sets } => {
            let built = toolset::build(&sets)?;
            built.iter().for_each(|folder| println!("{}", folder.display()));
            Ok(())
        }
        Command::Up(options) => up::run(&options),
        Command::Down { name } => down::run(&name),
        Command::Env { name } => environment::print(&name),
    }
}
