//! Core modules: programs of WASI preview 1, which runwasi and Docker run and Go makes, and what a compiler of C made for a WIT world.

use anyhow::{Context, bail};
use std::borrow::Cow;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Encoding, ExternalKind, Parser, Payload};

/// The component that a core module is made into which a compiler of C wrote for a WIT world: its custom sections say which one.
/// A component is left as it is.
///
/// # Errors
///
/// Where the module does not fit the world that it names, or imports what neither the world nor preview 1 has.
pub fn componentize(module: &[u8]) -> anyhow::Result<Cow<'_, [u8]>> {
    if is_component(module)? {
        return Ok(Cow::Borrowed(module));
    }
    let component = wit_component::ComponentEncoder::default()
        .module(module)
        .and_then(|it| {
            it.adapter(
                WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
            )
        })
        .and_then(|it| it.validate(true).encode())
        .context("the core module can't be made into a component")?;
    Ok(Cow::Owned(component))
}

pub(super) fn is_component(artifact: &[u8]) -> anyhow::Result<bool> {
    match Parser::new(0).parse_all(artifact).next() {
        Some(Ok(Payload::Version { encoding, .. })) => Ok(encoding == Encoding::Component),
        Some(Err(error)) => Err(error.into()),
        _ => bail!("it has no WebAssembly header"),
    }
}

/// Whether a core module is a program of preview 1. Which functions preview 1 has is known to who links it.
///
/// # Errors
///
/// What it imports or lacks.
pub(super) fn check_program(module: &[u8]) -> anyhow::Result<()> {
    let (mut asks, mut starts, mut memory) = (false, false, false);
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import?;
                    asks = true;
                    if import.module != WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME {
                        bail!(
                            "it is a core module that imports `{}` from `{}`, which is no part of WASI preview 1: build it for \
                             wasm32-wasip2, or wasm32-wasip1 without other imports",
                            import.name,
                            import.module
                        );
                    }
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    starts |= export.name == "_start" && export.kind == ExternalKind::Func;
                    memory |= export.name == "memory" && export.kind == ExternalKind::Memory;
                }
            }
            _ => {}
        }
    }
    if !starts {
        bail!(
            "it is a core module without a `_start` function: build it as a program (a command), or as a component"
        );
    }
    if asks && !memory {
        bail!(
            "it is a core module without an exported `memory`, where functions of WASI preview 1 read and write"
        );
    }
    Ok(())
}
