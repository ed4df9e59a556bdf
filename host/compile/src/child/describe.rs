//! Reads imports and exports from a component's binary.

use super::module::{check_program, is_component};
use crate::{Description, Export, Import, ItemKind, Kind, Variant, World};
use anyhow::bail;
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType};
use wasmparser::types::Types;
use wasmparser::{ComponentExternalKind, ComponentTypeRef, Parser, Payload, Validator, WasmFeatures};

/// The most imports or exports that a component may have: worlds have dozens.
const MAX_ITEMS: usize = 10_000;

/// Describes an artifact.
///
/// # Errors
///
/// Where it is neither a valid component nor a program of WASI preview 1.
pub fn describe(artifact: &[u8]) -> anyhow::Result<Description> {
    if !artifact.starts_with(b"\0asm") {
        bail!("it does not begin with the magic number of WebAssembly (`\\0asm`)");
    }
    match is_component(artifact)? {
        true => describe_component(artifact),
        false => describe_program(artifact),
    }
}

/// A program of preview 1 is called as one of WASI 0.2 is. What it imports carries no authority: all of it is always linked, and holds
/// what was granted.
fn describe_program(module: &[u8]) -> anyhow::Result<Description> {
    check_program(module)?;
    // The engine has no shared memories, which escape the limits.
    let features = plain().difference(WasmFeatures::THREADS);
    Validator::new_with_features(features).validate_all(module)?;
    Ok(Description {
        kind: Kind::CoreModule,
        variant: Variant::Plain,
        imports: Vec::new(),
        exports: vec![Export {
            name: World::Command.export().to_owned(),
            kind: ItemKind::Interface,
        }],
    })
}

fn describe_component(component: &[u8]) -> anyhow::Result<Description> {
    let (variant, types) = validate(component)?;
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0u32;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            // The parser yields an `End` for the outermost component too, at depth 0.
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import?;
                    let kind = match import.ty {
                        ComponentTypeRef::Func(_) => ItemKind::Function,
                        ComponentTypeRef::Instance(_) if only_types(&types, import.name.name) => {
                            ItemKind::Types
                        }
                        ComponentTypeRef::Instance(_) => ItemKind::Interface,
                        _ => ItemKind::Other,
                    };
                    imports.push(Import {
                        name: import.name.name.to_owned(),
                        kind,
                    });
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export?;
                    let kind = match export.kind {
                        ComponentExternalKind::Func => ItemKind::Function,
                        ComponentExternalKind::Instance => ItemKind::Interface,
                        _ => ItemKind::Other,
                    };
                    exports.push(Export {
                        name: export.name.name.to_owned(),
                        kind,
                    });
                }
            }
            _ => {}
        }
        if imports.len().max(exports.len()) > MAX_ITEMS {
            bail!("it has more than {MAX_ITEMS} imports or exports");
        }
    }
    Ok(Description {
        kind: Kind::Component,
        variant,
        imports,
        exports,
    })
}

/// Which engine runs it: the plain one, where it is valid without the concurrency of the component model.
fn validate(component: &[u8]) -> anyhow::Result<(Variant, Types)> {
    let plain = plain();
    if let Ok(types) = Validator::new_with_features(plain).validate_all(component) {
        return Ok((Variant::Plain, types));
    }
    let concurrent = plain.union(WasmFeatures::CM_ASYNC);
    let types = Validator::new_with_features(concurrent).validate_all(component)?;
    Ok((Variant::Concurrent, types))
}

/// Wasmtime's defaults without what the engine is built without; it validates again when it compiles.
fn plain() -> WasmFeatures {
    WasmFeatures::default().difference(WasmFeatures::CM_ASYNC)
}

/// Whether an imported instance has nothing in it but types of values.
fn only_types(types: &Types, import: &str) -> bool {
    let types = types.as_ref();
    let Some(ComponentEntityType::Instance(instance)) =
        types.component_item_for_import(import).map(|it| it.ty)
    else {
        return false;
    };
    types[instance].exports.values().all(|it| {
        matches!(
            it.ty,
            ComponentEntityType::Type {
                created: ComponentAnyTypeId::Defined(_),
                ..
            }
        )
    })
}
