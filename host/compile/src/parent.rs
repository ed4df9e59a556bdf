//! Starts the child, feeds it and takes its answer. What the child does is in `child`.

use crate::output::{Output, Space, io};
use crate::report::{Graph, Link, MAX_REPORT, Node, Report, Request};
use crate::{CompileError, Description};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::{OnceCell, Semaphore};

/// How much of what the child writes to stderr is kept for an error's text.
const STDERR: u64 = 8 << 10;

/// What one compilation may take.
#[derive(Clone, Debug)]
pub struct CompileLimits {
    /// Bytes of address space (RLIMIT_AS).
    pub memory: u64,
    /// CPU time over all its threads (RLIMIT_CPU, whole seconds).
    pub cpu: Duration,
    /// Bytes of native code and metadata.
    pub output: u64,
    /// Compilations at the same time, and as many that are only read; others wait.
    pub concurrent: usize,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            memory: 4 << 30,
            cpu: Duration::from_secs(120),
            output: 1 << 30,
            concurrent: 2,
        }
    }
}

/// A component that is to be one with others.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Its name in the manifest.
    pub name: &'a str,
    /// Its file.
    pub wasm: &'a Path,
    /// What others provide for it.
    pub links: &'a [Link],
}

/// What the child reads.
enum Input<'a> {
    None,
    File(std::fs::File),
    /// A [`Graph`], and the files of its parts.
    Parts(Vec<u8>, Vec<&'a Path>),
}

/// The compiler, as a program to be started. Cheap to clone; clones share the limit on concurrent compilations.
#[derive(Clone, Debug)]
pub struct Compiler {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    program: PathBuf,
    limits: CompileLimits,
    running: Semaphore,
    /// Of those who only read: they don't wait until others are compiled.
    reading: Semaphore,
    fingerprint: OnceCell<String>,
}

impl Compiler {
    /// The `shoal-compile` that `SHOAL_COMPILE` names, or that lies beside this program (or a folder above it, as for tests).
    ///
    /// # Errors
    ///
    /// [`CompileError::Missing`] where there is none.
    pub fn locate() -> Result<Self, CompileError> {
        if let Some(path) = std::env::var_os("SHOAL_COMPILE") {
            return Self::new(path.into(), CompileLimits::default());
        }
        let this = std::env::current_exe().unwrap_or_default();
        let beside = this.with_file_name("shoal-compile");
        let above = this.ancestors().nth(2).map(|folder| folder.join("shoal-compile"));
        match above.filter(|above| !beside.exists() && above.exists()) {
            Some(above) => Self::new(above, CompileLimits::default()),
            None => Self::new(beside, CompileLimits::default()),
        }
    }

    /// A compiler at a path, with limits.
    ///
    /// # Errors
    ///
    /// [`CompileError::Missing`] where there is no file.
    pub fn new(program: PathBuf, limits: CompileLimits) -> Result<Self, CompileError> {
        if !program.is_file() {
            return Err(CompileError::Missing(program));
        }
        let running = Semaphore::new(limits.concurrent.max(1));
        let reading = Semaphore::new(limits.concurrent.max(1));
        let shared = Shared {
            program,
            limits,
            running,
            reading,
            fingerprint: OnceCell::new(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// A hash over all that compiled code depends on: version and settings of the compiler, the machine's instruction set.
    ///
    /// # Errors
    ///
    /// Where the compiler can't be run.
    pub async fn fingerprint(&self) -> Result<&str, CompileError> {
        let fingerprint = self.shared.fingerprint.get_or_try_init(|| async {
            match self.run(Request::Fingerprint, Input::None, None).await? {
                Report::Fingerprint(hash) => Ok(hash),
                other => Err(self.protocol(&format!("{other:?}"))),
            }
        });
        fingerprint.await.map(String::as_str)
    }

    /// Compiles the component or core module in `wasm` and writes native code to `out`, which is replaced.
    ///
    /// Give `out` a temporary name and rename it on success: after an error it may hold a part.
    ///
    /// # Errors
    ///
    /// [`CompileError::Invalid`] for an input that is no component, [`CompileError::Limit`] for one that takes too long or too
    /// much memory.
    pub async fn compile(&self, wasm: &Path, out: &Path) -> Result<Description, CompileError> {
        self.compile_within(wasm, out, &()).await
    }

    /// The same, where `space` is asked before more is written.
    ///
    /// # Errors
    ///
    /// As for [`Compiler::compile`], and [`CompileError::Io`] where `space` has no more.
    pub async fn compile_within(
        &self,
        wasm: &Path,
        out: &Path,
        space: &dyn Space,
    ) -> Result<Description, CompileError> {
        let output = Output::create(out, space).await?;
        self.read(Request::Compile, wasm, Some(output)).await
    }

    /// Reads what the component in `wasm` imports and exports, without compiling it.
    ///
    /// # Errors
    ///
    /// As for [`Compiler::compile`].
    pub async fn describe(&self, wasm: &Path) -> Result<Description, CompileError> {
        self.read(Request::Describe, wasm, None).await
    }

    /// Writes to `out` the component that the core module in `wasm` is made into, which a compiler of C wrote for a WIT world.
    ///
    /// # Errors
    ///
    /// As for [`Compiler::compile`].
    pub async fn componentize(&self, wasm: &Path, out: &Path) -> Result<Description, CompileError> {
        let output = Output::create(out, &()).await?;
        self.read(Request::Componentize, wasm, Some(output)).await
    }

    /// Writes to `out` the component that `parts` make, the first of which is what it exports and has the others in itself.
    ///
    /// # Errors
    ///
    /// [`CompileError::Compose`] for parts that don't fit together, [`CompileError::Io`] where `space` has no more.
    pub async fn compose(
        &self,
        parts: &[Part<'_>],
        out: &Path,
        space: &dyn Space,
    ) -> Result<(), CompileError> {
        let mut graph = Graph { parts: Vec::new() };
        for part in parts {
            let size = std::fs::metadata(part.wasm).map_err(io("read", part.wasm))?.len();
            graph.parts.push(Node {
                name: part.name.to_owned(),
                size,
                links: part.links.to_vec(),
            });
        }
        let graph = serde_json::to_vec(&graph).map_err(|error| self.protocol(&error.to_string()))?;
        let files = parts.iter().map(|part| part.wasm).collect();
        let output = Output::create(out, space).await?;
        let input = Input::Parts(graph, files);
        match self.run(Request::Compose, input, Some(output)).await? {
            Report::Composed => Ok(()),
            Report::Uncomposable(reason) => Err(CompileError::Compose { reason }),
            other => Err(self.protocol(&format!("{other:?}"))),
        }
    }

    async fn read(
        &self,
        request: Request,
        wasm: &Path,
        out: Option<Output<'_>>,
    ) -> Result<Description, CompileError> {
        let input = std::fs::File::open(wasm).map_err(io("open", wasm))?;
        match self.run(request, Input::File(input), out).await? {
            Report::Done(description) => Ok(description),
            Report::Invalid(reason) => Err(CompileError::Invalid { reason }),
            other => Err(self.protocol(&format!("{other:?} where a description belongs"))),
        }
    }

    async fn run(
        &self,
        request: Request,
        input: Input<'_>,
        out: Option<Output<'_>>,
    ) -> Result<Report, CompileError> {
        let Shared {
            program,
            limits,
            running,
            reading,
            ..
        } = &*self.shared;
        let places = match request {
            Request::Describe | Request::Fingerprint => reading,
            Request::Compile | Request::Componentize | Request::Compose => running,
        };
        // Never closed, so it can't fail; without a permit there would be one compilation more.
        let _permit = places.acquire().await.ok();
        let (stdin, parts) = match input {
            Input::None => (Stdio::null(), None),
            Input::File(file) => (file.into(), None),
            Input::Parts(graph, files) => (Stdio::piped(), Some((graph, files))),
        };
        let mut child = Command::new(program)
            .args([
                request.as_str(),
                &limits.memory.to_string(),
                &limits.cpu.as_secs().max(1).to_string(),
            ])
            .env_clear()
            .current_dir("/")
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(io("start", program))?;
        let (Some(mut stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(self.protocol("it has no output"));
        };
        let stdin = child.stdin.take();
        let fed = async {
            match (stdin, parts) {
                (Some(stdin), Some((graph, files))) => feed(stdin, &graph, &files).await,
                _ => Ok(()),
            }
        };
        // CPU time is limited by the kernel; the clock on the wall is for a child that waits.
        let patience = limits.cpu.saturating_mul(2) + Duration::from_secs(10);
        let answer = async { tokio::join!(self.answer(&mut stdout, out), tail(stderr), fed) };
        let Ok((answer, stderr, fed)) = tokio::time::timeout(patience, answer).await else {
            return Err(CompileError::Limit {
                limit: format!("{patience:?}"),
            });
        };
        // What is left unread would keep the child from ending.
        drop(stdout);
        let status = child.wait().await.map_err(io("wait for", program))?;
        match answer {
            Ok(report) if status.success() => fed.map(|()| report),
            Ok(_) | Err(CompileError::Protocol { .. }) if !status.success() => {
                Err(self.ended(status, stderr))
            }
            other => other,
        }
    }

    async fn answer(
        &self,
        stdout: &mut ChildStdout,
        out: Option<Output<'_>>,
    ) -> Result<Report, CompileError> {
        let broken = |error: std::io::Error| self.protocol(&error.to_string());
        let length = stdout.read_u32_le().await.map_err(broken)?;
        if length > MAX_REPORT {
            return Err(self.protocol(&format!("a report of {length} bytes")));
        }
        let mut report = vec![0; length as usize];
        stdout.read_exact(&mut report).await.map_err(broken)?;
        let report = serde_json::from_slice(&report).map_err(|error| self.protocol(&error.to_string()))?;
        if let (Some(output), Report::Done(_) | Report::Composed) = (out, &report) {
            output.receive(stdout, self.shared.limits.output).await?;
        }
        Ok(report)
    }

    fn ended(&self, status: ExitStatus, stderr: String) -> CompileError {
        let limits = &self.shared.limits;
        match status.signal() {
            Some(libc::SIGXCPU | libc::SIGKILL) => CompileError::Limit {
                limit: format!("{:?} of CPU time", limits.cpu),
            },
            // Rust's answer to an allocation that fails; the text is std's.
            Some(libc::SIGABRT) if stderr.contains("memory allocation of") => CompileError::Limit {
                limit: format!("{} bytes of memory", limits.memory),
            },
            _ => CompileError::Crashed {
                status: status.to_string(),
                stderr: stderr.trim().to_owned(),
            },
        }
    }

    fn protocol(&self, reason: &str) -> CompileError {
        CompileError::Protocol {
            path: self.shared.program.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// Writes what is to be composed. A child that reads no further has said why, or will be found to have ended.
async fn feed(mut stdin: ChildStdin, graph: &[u8], files: &[&Path]) -> Result<(), CompileError> {
    let length = u32::try_from(graph.len()).unwrap_or(u32::MAX);
    if stdin.write_u32_le(length).await.is_err() || stdin.write_all(graph).await.is_err() {
        return Ok(());
    }
    for path in files {
        let mut file = tokio::fs::File::open(path).await.map_err(io("open", path))?;
        if tokio::io::copy(&mut file, &mut stdin).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// The first bytes of a stream that is read to its end.
async fn tail(mut stream: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    // What can't be read is missing from an error's text and nothing more.
    let _ = (&mut stream).take(STDERR).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}
