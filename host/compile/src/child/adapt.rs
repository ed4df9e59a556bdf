//! Core modules of WASI preview 1 become components, for those who come from runwasi or Docker's wasm images.

use anyhow::{Context, bail};
use std::borrow::Cow;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Encoding, ExternalKind, Parser, Payload};

/// The artifact itself where it is a component, else the component that its core module is adapted to.
///
/// # Errors
///
/// Where it is neither, or a core module that imports what preview 1 does not have.
pub fn adapt(artifact: &[u8]) -> anyhow::Result<Cow<'_, [u8]>> {
    if !artifact.starts_with(b"\0asm") {
        bail!("it does not begin with the magic number of WebAssembly (`\\0asm`)");
    }
    if is_component(artifact)? {
        return Ok(Cow::Borrowed(artifact));
    }
    check_preview1(artifact)?;
    let component = wit_component::ComponentEncoder::default()
        .module(artifact)
        .and_then(|it| {
            it.adapter(
                WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
            )
        })
        .and_then(|it| it.validate(true).encode())
        .context("the core module cannot be adapted to a component")?;
    Ok(Cow::Owned(component))
}

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

/// Before the adapter complains in its own words: a module that is no program of preview 1.
fn check_preview1(module: &[u8]) -> anyhow::Result<()> {
    let mut starts = false;
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import?;
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
    Ok(())
}
