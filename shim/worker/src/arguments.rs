//! What a worker is told when it is started. What it is to run comes over the channel.

use clap::Parser;
use std::path::PathBuf;

/// Runs the components of one trust domain. Started by shoald, not by hand.
#[derive(Clone, Debug, Parser)]
#[command(version)]
pub struct Arguments {
    /// The folder with the compiled files of the trust domain, and nothing else: all that the worker will see of the file system
    #[arg(long, value_name = "FOLDER")]
    pub root: PathBuf,
    /// The user to become
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub uid: u32,
    /// The group to become
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub gid: u32,
    /// Live in the network namespace that is descriptor 4, and make sockets there. Else there is no network
    #[arg(long)]
    pub network: bool,
    /// Allow what names, makes and changes files. There are none in the root; for directories that tasks come with
    #[arg(long)]
    pub directories: bool,
}
