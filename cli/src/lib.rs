//! The command `shoal`: a thin edge over `shoal-service`. Each subcommand has a file; what a worker process would need too lives
//! in `host`.
//!
//! ```text
//! arguments ── subcommand ── shoal-service, shoal-artifact ──> result (stdout), events (console), Failure (stderr, exit code)
//! ```

mod build;
mod cache;
mod cluster;
mod completions;
mod console;
mod docs;
mod event;
mod failure;
mod inspect;
mod logs;
mod manifests;
mod new;
mod output;
mod progress;
mod pull;
mod push;
mod registry;
mod run;
mod setup;
mod text;
mod up;
mod validate;
mod version;

pub use docs::docs;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use console::Console;
use failure::Failure;
use output::Format;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Run WebAssembly components as services.
#[derive(Parser, Debug)]
#[command(name = "shoal", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// The file name under which `kubectl` finds us.
const PLUGIN: &str = "kubectl-shoal";

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong arguments or a manifest with mistakes. `shoal run` adds those of its \
                          program and of its limits.";

#[derive(Args, Debug)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// Text for people, or JSON for programs: one object for a result, one for each event, one for an error
    #[arg(
        short = 'o',
        long = "output",
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    output: Format,
    /// The folder for artifacts and compiled files [default: $XDG_CACHE_HOME/shoal, else ~/.cache/shoal]
    #[arg(
        long,
        global = true,
        env = "SHOAL_CACHE",
        value_name = "DIR",
        hide_env_values = true
    )]
    cache: Option<PathBuf>,
    /// How large the cache may become: what was not used for longest is removed to make room
    #[arg(
        long,
        global = true,
        env = "SHOAL_CACHE_SIZE",
        value_name = "SIZE",
        default_value = "10Gi",
        hide_env_values = true
    )]
    cache_size: shoal_api::Quantity,
    /// Say more of what goes on; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand, Debug)]
enum Command {
    New(new::New),
    Build(build::Build),
    Up(up::Up),
    Run(run::Run),
    Push(push::Push),
    Pull(pull::Pull),
    Inspect(inspect::Inspect),
    #[command(subcommand)]
    Cache(cache::Cache),
    Validate(validate::Validate),
    Deploy(cluster::deploy::Deploy),
    Status(cluster::status::Status),
    Logs(cluster::logs::Logs),
    Completions(completions::Completions),
    /// Print the CustomResourceDefinition of WasmService
    Crd,
    /// Print the version
    Version,
    /// Print the reference of all commands as Markdown
    #[command(hide = true)]
    Docs,
}

/// What a subcommand ends with: an exit code, or why it failed.
type Outcome = Result<u8, Failure>;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match parse(&arguments) {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error, &arguments),
    };
    let console = Console::start(cli.global.output);
    logs::install(&console, cli.global.verbose);
    let code = match dispatch(cli, &console) {
        Ok(code) => code,
        Err(failure) => {
            console.failure(&failure);
            failure.code()
        }
    };
    console.close();
    ExitCode::from(code)
}

/// Parses arguments, the first of which is the program's own name: what `kubectl` runs as a plug-in calls itself as people type it.
fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let program = arguments.first().map(Path::new).and_then(Path::file_name);
    let mut command = command();
    if program.is_some_and(|it| it == PLUGIN) {
        command = command.bin_name("kubectl shoal");
    }
    let matches = command.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

fn dispatch(cli: Cli, console: &Console) -> Outcome {
    let Cli { global, command } = cli;
    match command {
        Command::New(new) => new::new(new, console),
        Command::Build(build) => setup::block_on(build::build(build, console)),
        Command::Up(up) => setup::block_on(up::up(up, &global, console)),
        Command::Run(run) => setup::block_on(run::run(run, &global, console)),
        Command::Push(push) => setup::block_on(push::push(push, console)),
        Command::Pull(pull) => setup::block_on(pull::pull(pull, &global, console)),
        Command::Inspect(inspect) => setup::block_on(inspect::inspect(inspect, &global, console)),
        Command::Cache(cache) => cache::cache(&cache, &global, console),
        Command::Validate(validate) => validate::validate(&validate, console),
        Command::Deploy(deploy) => setup::block_on(cluster::deploy::deploy(deploy, &global, console)),
        Command::Status(status) => setup::block_on(cluster::status::status(status, console)),
        Command::Logs(logs) => setup::block_on(cluster::logs::logs(logs, console)),
        Command::Completions(completions) => completions::completions(&completions, console),
        Command::Crd => {
            let yaml = shoal_api::crd::yaml().map_err(Failure::new)?;
            console.text(&yaml)
        }
        Command::Version => version::version(console),
        Command::Docs => console.text(&docs()),
    }
}

/// The command line as data, for completions and documentation.
fn command() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests;
