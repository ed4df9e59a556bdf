//! `shoal-installer`: arguments in, exit codes out. What is done is the library's.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use shoal_installer::cache_size::cache_size;
use shoal_installer::error::Error;
use shoal_installer::install::{Plan, check, install};
use shoal_installer::lock::{is_ready, say_ready, unsay_ready};
use shoal_installer::options::{Options, runtime_option};
use shoal_installer::payload::Payload;
use shoal_installer::remove::remove;
use shoal_installer::restart;
use shoal_installer::runtime::Sandboxer;
use tokio::signal::unix::{SignalKind, signal};

/// Puts the shim on this node, or takes it off.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Where the node's root is mounted.
    #[arg(long, env = "SHOAL_HOST_ROOT", default_value = "/host", global = true)]
    host_root: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install, and stay: the pod is ready then.
    Install(Flags),
    /// Remove, and stay: the pod is ready then.
    Remove {
        #[command(flatten)]
        flags: Flags,
        /// Also under pods of the runtime that still run: they end.
        #[arg(long)]
        force: bool,
    },
    /// Say what `install` would do, and change nothing.
    Check {
        #[command(flatten)]
        flags: Flags,
        /// As text or as JSON.
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// For a readiness probe: whether the installer of this node is done.
    Ready,
    /// Run a command among the node's mounts (used by `install` itself).
    #[command(hide = true)]
    OnNode {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

#[derive(Args)]
struct Flags {
    /// The folder of the programs to install.
    #[arg(long, env = "SHOAL_PAYLOAD", default_value = "/payload")]
    payload: PathBuf,
    /// What version they are.
    #[arg(long = "shim-version", env = "SHOAL_VERSION", default_value = env!("CARGO_PKG_VERSION"))]
    version: String,
    /// Where versions are kept, on the node.
    #[arg(long, env = "SHOAL_BIN", default_value = "/opt/shoal/bin")]
    bin: PathBuf,
    /// containerd's socket; found unless it is said.
    #[arg(long, env = "SHOAL_CONTAINERD_SOCKET")]
    containerd_socket: Option<PathBuf>,
    /// The file that containerd loads; by its command line unless it is said.
    #[arg(long, env = "SHOAL_CONTAINERD_CONFIG")]
    containerd_config: Option<PathBuf>,
    /// A command of the node's shell that restarts containerd; by its unit of systemd unless it is said.
    #[arg(long, env = "SHOAL_RESTART_COMMAND")]
    restart_command: Option<String>,
    /// Who makes the sandboxes of pods.
    #[arg(long, env = "SHOAL_SANDBOXER", default_value = "auto")]
    sandboxer: Choice,
    /// A further key of the runtime's table, as KEY=VALUE of TOML. Can be given several times.
    #[arg(long = "runtime-option", env = "SHOAL_RUNTIME_OPTIONS", value_delimiter = ';')]
    runtime_options: Vec<String>,
    /// How large the node's cache of components may become, such as 20Gi; 10Gi unless it is said.
    #[arg(long, env = "SHOAL_CACHE_SIZE", default_value = "", hide_default_value = true)]
    cache_size: String,
    /// How many seconds containerd may take to come back, and the canary to run, each.
    #[arg(long, env = "SHOAL_TIMEOUT", default_value_t = 90)]
    timeout: u64,
    /// End when it is done, for use without Kubernetes.
    #[arg(long)]
    once: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Choice {
    Auto,
    Shim,
    Podsandbox,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

impl Flags {
    fn options(&self) -> Result<Options, Error> {
        let given = |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
        let options = self.runtime_options.iter().filter(|option| !option.is_empty());
        Ok(Options {
            version: self.version.clone(),
            bin: self.bin.clone(),
            socket: given(&self.containerd_socket),
            config: given(&self.containerd_config),
            restart_command: self.restart_command.clone().filter(|command| !command.is_empty()),
            sandboxer: match self.sandboxer {
                Choice::Auto => None,
                Choice::Shim => Some(Sandboxer::Shim),
                Choice::Podsandbox => Some(Sandboxer::Podsandbox),
            },
            runtime_options: options
                .map(|option| runtime_option(option))
                .collect::<Result<_, _>>()?,
            cache_size: cache_size(&self.cache_size)?,
            patience: Duration::from_secs(self.timeout),
        })
    }
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("shoal-installer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Error> {
    match cli.command {
        Command::OnNode { command } => {
            eprintln!("{}", restart::on_node(&command));
            Ok(ExitCode::FAILURE)
        }
        Command::Ready => {
            enter(&cli.host_root)?;
            Ok(if is_ready() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Command::Install(flags) => {
            let options = flags.options()?;
            let mut payload = Payload::open(&flags.payload)?;
            enter(&cli.host_root)?;
            unsay_ready()?;
            on_runtime(&cli.host_root, async {
                install(&options, &mut payload).await?;
                println!("the runtime `shoal` is installed and runs pods");
                stay(flags.once).await
            })
        }
        Command::Remove { flags, force } => {
            let options = flags.options()?;
            enter(&cli.host_root)?;
            unsay_ready()?;
            on_runtime(&cli.host_root, async {
                remove(&options, force).await?;
                println!("the runtime `shoal` is removed");
                stay(flags.once).await
            })
        }
        Command::Check { flags, output } => {
            let options = flags.options()?;
            let payload = Payload::open(&flags.payload)?;
            enter(&cli.host_root)?;
            on_runtime(&cli.host_root, async {
                let plan = check(&options, &payload).await?;
                print(&plan, output);
                Ok(ExitCode::SUCCESS)
            })
        }
    }
}

/// From here on paths are the node's, links and sockets too. Before any thread is started.
fn enter(root: &Path) -> Result<(), Error> {
    if root == Path::new("/") {
        return Ok(());
    }
    let wrong = |source: rustix::io::Errno| Error::File {
        action: "enter the node's root at",
        path: root.to_owned(),
        source: source.into(),
    };
    rustix::process::chroot(root).map_err(wrong)?;
    rustix::process::chdir("/").map_err(wrong)
}

fn on_runtime(root: &Path, work: impl Future<Output = Result<ExitCode, Error>>) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Error::File {
        action: "start in",
        path: root.to_owned(),
        source,
    })?;
    runtime.block_on(work)
}

/// Ready, until told to end.
async fn stay(once: bool) -> Result<ExitCode, Error> {
    if once {
        return Ok(ExitCode::SUCCESS);
    }
    let signals = signal(SignalKind::terminate()).and_then(|terminate| {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok((terminate, interrupt))
    });
    let (mut terminate, mut interrupt) = signals.map_err(|source| Error::File {
        action: "wait for signals in",
        path: PathBuf::from("/"),
        source,
    })?;
    say_ready()?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    unsay_ready()?;
    Ok(ExitCode::SUCCESS)
}

fn print(plan: &Plan, output: Output) {
    match output {
        Output::Text => println!("{plan}"),
        Output::Json => println!("{}", serde_json::to_string_pretty(plan).unwrap_or_default()),
    }
}
