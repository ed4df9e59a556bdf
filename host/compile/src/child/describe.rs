//! Reads imports and exports from a component's binary.

use super::adapt::is_component;
use crate::{Description, Export, Import, ItemKind, Kind, Variant};
use anyhow::bail;
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType};
use wasmparser::types::Types;
use wasmparser::{ComponentExternalKind, ComponentTypeRef, Parser, Payload, Validator, WasmFeatures};

/// The most imports or exports that a component may have: worlds have dozens.
const MAX_ITEMS: usize = 10_000;

/// Describes `component`, which `artifact` was adapted to (the same bytes for a component).
///
/// # Errors
///
/// Where the component is not valid.
pub fn describe(artifact: &[u8], component: &[u8]) -> anyhow::Result<Description> {
    let kind = if is_component(artifact)? {
        Kind::Component
    } else {
        Kind::CoreModule
    };
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
        kind,
        variant,
        imports,
        exports,
    })
}

/// Which engine runs it: the plain one, where it is valid without the concurrency of the component model.
fn validate(component: &[u8]) -> anyhow::Result<(Variant, Types)> {
    // Wasmtime's defaults without what the engine is built without; it validates again when it compiles.
    let plain = WasmFeatures::default().difference(WasmFeatures::CM_ASYNC);
    if let Ok(types) = Validator::new_with_features(plain).validate_all(component) {
        return Ok((Variant::Plain, types));
    }
    let concurrent = plain.union(WasmFeatures::CM_ASYNC);
    let types = Validator::new_with_features(concurrent).validate_all(component)?;
    Ok((Variant::Concurrent, types))
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
