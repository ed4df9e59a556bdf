//! `shoal completions`: what a shell needs to complete our arguments.

use crate::Outcome;
use crate::console::Console;
use clap::Args;
use clap_complete::Shell;

/// Print completions for a shell
///
/// For bash: shoal completions bash > ~/.local/share/bash-completion/completions/shoal
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn completions(options: &Completions, console: &Console) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut crate::command(), "shoal", &mut script);
    console.text(&String::from_utf8_lossy(&script))
}
