//! `shoal run`: one program of `wasi:cli`, in the foreground, with the standard streams of the terminal.

mod grants;

use crate::console::Console;
use crate::failure::Failure;
use crate::registry::Registry;
use crate::{Global, Outcome, setup};
use clap::Args;
use grants::{Allow, Dir};
use shoal_api::{Capabilities, Component, Duration, Limits, Quantity};
use shoal_artifact::Source;
use shoal_service::{Command, Exceeded, Exit, Fault, PoolOptions};

/// Run one program of wasi:cli, with its own exit code
///
/// The program gets the standard streams, and nothing else unless it is granted: no variables, no folders, no connections. Of a
/// component that exports wasi:cli/run in several versions, the newest is run.
#[derive(Args, Debug)]
#[command(
    override_usage = "shoal run [OPTIONS] SOURCE [ARGUMENT]...",
    after_help = "Exit codes: the program's own, or 134 where it trapped, 137 where it wanted more memory than --memory, 152 \
                        where it used more CPU time than --cpu-time, 124 where it was not done within --timeout."
)]
pub(crate) struct Run {
    /// A variable for the program; NAME alone passes ours on. May be repeated
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// A folder for the program, to read, or to write too with :rw. May be repeated
    #[arg(long, value_name = "HOST[:GUEST[:rw]]", value_parser = grants::dir)]
    dir: Vec<Dir>,
    /// A destination that the program may connect to, /udp for UDP; or none, for one that imports network interfaces and does not
    /// use them. May be repeated
    #[arg(long, value_name = "HOST:PORT[/udp]|none", value_parser = grants::allow)]
    allow: Vec<Allow>,
    /// Let names given with --allow resolve to private and loopback addresses; localhost always may
    #[arg(long)]
    allow_private: bool,
    /// Imports that the program never uses, though its SDK declares them: an interface, or PACKAGE/*. Calls trap. May be repeated
    #[arg(long, value_name = "IMPORT")]
    unused_import: Vec<String>,
    /// Bytes of all memories and tables
    #[arg(long, value_name = "QUANTITY", default_value = "64Mi")]
    memory: Quantity,
    /// CPU time for the whole run
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    cpu_time: Duration,
    /// Wall-clock time for the whole run [default: as long as it takes]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<Duration>,
    #[command(flatten)]
    registry: Registry,
    /// A file, a reference, or oci:FOLDER for an OCI layout; then the program's arguments, whatever they look like
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "SOURCE [ARGUMENT]"
    )]
    program: Vec<String>,
}

pub(crate) async fn run(options: Run, global: &Global, console: &Console) -> Outcome {
    // Memories of one instance, of which a composed component may have many.
    let pool = PoolOptions { slots: 256 };
    let fetch = options.registry.fetch_for(&source(&options.program)?.0);
    let host = setup::host(global, console, pool, fetch)?;
    let command = command(options)?;
    let bar = console.bars.listener(&command.component.name);
    let exit = host.run(&command, &*bar).await?;
    drop(bar);
    match exit {
        // Of an exit code the system keeps the lowest eight bits.
        Exit::Code(code) => Ok(code.to_le_bytes()[0]),
        Exit::Fault(fault) => {
            console.failure(&Failure::new(option_names(&fault.to_string())));
            Ok(exit_code(&fault))
        }
    }
}

fn command(options: Run) -> Result<Command, Failure> {
    let Run {
        env,
        dir,
        allow,
        allow_private,
        unused_import,
        memory,
        cpu_time,
        timeout,
        registry: _,
        program,
    } = options;
    let (source, args) = source(&program)?;
    let (limits, capabilities) = (
        Limits {
            memory,
            cpu_time,
            ..Limits::default()
        },
        Capabilities {
            unused_imports: unused_import,
            ..grants::network(&allow, allow_private)
        },
    );
    let mut component = Component {
        limits,
        capabilities,
        env: grants::variables(&env)?,
        ..Component::default()
    };
    grants::check(&component)?;
    component.args = args.to_vec();
    component.name = name(&source);
    Ok(Command {
        source,
        component,
        mounts: dir.into_iter().map(|it| it.0).collect(),
        timeout: timeout.map(|it| it.as_std()),
    })
}

/// What to run, and its arguments. They are one list to clap, or it would take those that it knows for itself.
fn source(program: &[String]) -> Result<(Source, &[String]), Failure> {
    match program {
        [option, ..] if option.starts_with('-') => Err(Failure::Usage(format!(
            "{option:?} is no option of `shoal run`: `shoal run --help` lists them"
        ))),
        [source, args @ ..] => Ok((source.parse()?, args)),
        [] => Err(Failure::Usage("what is to be run is missing".to_owned())),
    }
}

/// What the program finds as its own name.
fn name(source: &Source) -> String {
    match source {
        Source::Reference(reference) => reference
            .repository()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned(),
        Source::File(path) | Source::Layout(path) => path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned(),
    }
}

/// Limits are named after the fields of a manifest; here they are options.
fn option_names(text: &str) -> String {
    let names = [
        ("limits.memory", "--memory"),
        ("limits.cpuTime", "--cpu-time"),
        ("limits.requestTimeout", "--timeout"),
    ];
    for (field, option) in names {
        if let Some(rest) = text.strip_prefix(field) {
            return format!("{option}{rest}");
        }
    }
    text.to_owned()
}

/// As a shell would see it: 128 and the signal for SIGABRT, SIGKILL and SIGXCPU, and what timeout(1) says.
fn exit_code(fault: &Fault) -> u8 {
    match fault {
        Fault::Trap { .. } | Fault::Host { .. } => 134,
        Fault::Exceeded(Exceeded::Memory { .. }) => 137,
        Fault::Exceeded(Exceeded::CpuTime { .. }) => 152,
        Fault::Deadline { .. } => 124,
    }
}

#[cfg(test)]
mod tests;
