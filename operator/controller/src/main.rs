//! `shoal-operator`: reads its arguments and hands over to the library.

use clap::Parser;
use shoal_controller::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    shoal_controller::main(Command::parse())
}
