//! Imports that nobody provides and, by the manifest, nobody uses (`capabilities.unusedImports`): functions that trap and say so.

use crate::{CapabilityError, Import, State};
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};

/// The resources of such interfaces; none can come to exist.
enum Nothing {}

/// A function was called that the manifest says is never used.
#[derive(Debug, thiserror::Error)]
#[error("{function} was called, which capabilities.unusedImports says that the component never uses")]
struct Unused {
    function: String,
}

/// Defines an import of `component` whose functions trap.
///
/// # Errors
///
/// [`CapabilityError::Link`] where the linker holds it already, or where it is nothing that a function could stand in for.
pub fn stub(
    linker: &mut Linker<State>,
    component: &Component,
    import: Import<'_>,
) -> Result<(), CapabilityError> {
    let ty = component.component_type();
    let Some(item) = ty.get_import(component.engine(), import.name) else {
        return Ok(());
    };
    let stubbed = match item.ty {
        ComponentItem::ComponentInstance(instance) => linker.instance(import.name).and_then(|mut l| {
            for (name, item) in instance.exports(component.engine()) {
                define(&mut l, name, &item.ty, format!("{}#{name}", import.interface))?;
            }
            Ok(())
        }),
        other => define(
            &mut linker.root(),
            import.name,
            &other,
            import.interface.to_owned(),
        ),
    };
    stubbed.map_err(|source| CapabilityError::Link {
        import: import.interface.to_owned(),
        source,
    })
}

fn define(
    l: &mut LinkerInstance<'_, State>,
    name: &str,
    item: &ComponentItem,
    function: String,
) -> wasmtime::Result<()> {
    match item {
        ComponentItem::ComponentFunc(ty) => trap(l, name, ty, function),
        ComponentItem::Resource(_) => l.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(())),
        ComponentItem::Type(_) => Ok(()),
        _ => Err(wasmtime::Error::msg(format!(
            "{function} is neither a function nor a type, and nothing can stand in for it"
        ))),
    }
}

fn trap(
    l: &mut LinkerInstance<'_, State>,
    name: &str,
    ty: &ComponentFunc,
    function: String,
) -> wasmtime::Result<()> {
    let called = move || -> wasmtime::Result<()> {
        Err(Unused {
            function: function.clone(),
        }
        .into())
    };
    if ty.async_() {
        return l.func_new_concurrent(name, move |_, _, _, _| {
            let called = called();
            Box::pin(async move { called })
        });
    }
    l.func_new(name, move |_, _, _, _| called())
}
