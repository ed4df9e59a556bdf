//! What runs in the child process: it limits itself, reads one artifact from stdin, and answers on stdout.

mod compose;
mod describe;
mod module;
mod release;
mod sandbox;

pub use describe::describe;
pub use module::componentize;

use self::release::released;
use crate::report::{Report, Request};
use crate::{Description, Kind, Variant};
use anyhow::{Context, bail};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};

/// The largest artifact that is read, in bytes.
const MAX_INPUT: u64 = 256 << 20;

/// Changes with what a description says of the same component.
const DESCRIPTION: u32 = 4;

/// The child's `main`: `shoal-compile REQUEST MEMORY CPU`, with limits in bytes and seconds.
///
/// # Errors
///
/// Where it was not started by [`crate::Compiler`]. An artifact that is refused is no error but an answer.
pub fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [request, memory, cpu] = arguments.as_slice() else {
        bail!(
            "shoal-compile is started by shoal, not by hand: shoal-compile compile|describe|componentize|compose|fingerprint BYTES SECONDS"
        );
    };
    let request = Request::parse(request).with_context(|| format!("unknown request {request:?}"))?;
    sandbox::enter(memory.parse().context("BYTES")?, cpu.parse().context("SECONDS")?)?;
    if request == Request::Fingerprint {
        return answer(&Report::Fingerprint(fingerprint()?), &[]);
    }
    if request == Request::Compose {
        return match compose::read(std::io::stdin().lock())? {
            Ok(wasm) => answer(&Report::Composed, &wasm),
            Err(error) => answer(&Report::Uncomposable(error.to_string()), &[]),
        };
    }
    let mut input = Vec::new();
    std::io::stdin()
        .lock()
        .take(MAX_INPUT + 1)
        .read_to_end(&mut input)
        .context("read the artifact")?;
    let done = match (input.len() as u64 > MAX_INPUT, request) {
        (true, _) => Err(anyhow::anyhow!("it is larger than {MAX_INPUT} bytes")),
        (false, Request::Describe) => describe(&released(&input)).map(|it| (it, Vec::new())),
        (false, Request::Componentize) => {
            componentize(&input).and_then(|wasm| Ok((describe(&wasm)?, wasm.into_owned())))
        }
        (false, _) => compile(&input),
    };
    match done {
        Ok((description, code)) => answer(&Report::Done(description), &code),
        Err(error) => answer(&Report::Invalid(format!("{error:#}")), &[]),
    }
}

/// Compiles an artifact: tells what it is and which engine it is for, and makes native code for that one.
///
/// # Errors
///
/// Where the bytes are neither a valid component nor a program of WASI preview 1.
pub fn compile(artifact: &[u8]) -> anyhow::Result<(Description, Vec<u8>)> {
    let artifact = &*released(artifact);
    let description = describe(artifact)?;
    let engine = engine(description.variant)?;
    let code = match description.kind {
        Kind::Component => engine.precompile_component(artifact)?,
        Kind::CoreModule => engine.precompile_module(artifact)?,
    };
    Ok((description, code))
}

/// The engine that compiles for `variant`; it allocates no instances.
fn engine(variant: Variant) -> anyhow::Result<wasmtime::Engine> {
    let variant = match variant {
        Variant::Plain => shoal_engine::Variant::Plain,
        Variant::Concurrent => shoal_engine::Variant::Concurrent,
    };
    Ok(wasmtime::Engine::new(&shoal_engine::config(variant))?)
}

fn fingerprint() -> anyhow::Result<String> {
    let mut hash = DefaultHasher::new();
    for variant in [Variant::Plain, Variant::Concurrent] {
        engine(variant)?.precompile_compatibility_hash().hash(&mut hash);
    }
    // What is described, and how, belongs to this crate.
    (env!("CARGO_PKG_VERSION"), DESCRIPTION, shoal_compose::VERSION).hash(&mut hash);
    Ok(format!("{:016x}", hash.finish()))
}

fn answer(report: &Report, code: &[u8]) -> anyhow::Result<()> {
    let report = serde_json::to_vec(report)?;
    let mut out = std::io::stdout().lock();
    out.write_all(&u32::try_from(report.len())?.to_le_bytes())?;
    out.write_all(&report)?;
    out.write_all(code)?;
    out.flush()?;
    Ok(())
}
