//! An import that another service provides: what it holds, and how it becomes functions in a linker.

use crate::{Call, CallError, CallFailure, Slot};
use shoal_capability::State;
use std::sync::Arc;
use wasmtime::StoreContextMut;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, Linker, Type, Val};

/// The functions of an interface, and the names of resources in it.
pub struct Interface {
    pub(crate) functions: Vec<(String, ComponentFunc)>,
    pub(crate) resources: Vec<String>,
}

impl Interface {
    fn of(component: &Component, item: Option<ComponentItem>) -> Option<Self> {
        let Some(ComponentItem::ComponentInstance(instance)) = item else {
            return None;
        };
        let (mut functions, mut resources) = (Vec::new(), Vec::new());
        for (name, item) in instance.exports(component.engine()) {
            match item.ty {
                ComponentItem::ComponentFunc(function) => functions.push((name.to_owned(), function)),
                ComponentItem::Resource(_) => resources.push(name.to_owned()),
                _ => {}
            }
        }
        Some(Self { functions, resources })
    }
}

/// The interface that a component imports under this name.
pub fn imported(component: &Component, name: &str) -> Option<Interface> {
    let ty = component.component_type();
    let item = ty.get_import(component.engine(), name);
    Interface::of(component, item.map(|it| it.ty))
}

/// The interface that a component exports under this name.
pub fn exported(component: &Component, name: &str) -> Option<Interface> {
    let ty = component.component_type();
    let item = ty.get_export(component.engine(), name);
    Interface::of(component, item.map(|it| it.ty))
}

/// Defines an import so that its functions call whoever `slot` leads to. `name` is what the component imports, `interface` what it is
/// called between services. The types must have been looked at ([`crate::check`]).
///
/// # Errors
///
/// Where the linker has it already.
pub fn define(
    linker: &mut Linker<State>,
    (name, interface): (&str, &str),
    functions: &Interface,
    slot: &Arc<Slot>,
) -> wasmtime::Result<()> {
    let mut instance = linker.instance(name)?;
    for (function, ty) in &functions.functions {
        let link = Arc::new(Link {
            slot: Arc::clone(slot),
            interface: interface.to_owned(),
            function: function.clone(),
            takes_error: takes_error(ty),
        });
        instance.func_new_async(function, move |store, _, params, results| {
            let link = Arc::clone(&link);
            Box::new(async move { link.call(store, params, results).await })
        })?;
    }
    Ok(())
}

/// Whether a failure has a place in the function's result: `result<_, string>`.
fn takes_error(function: &ComponentFunc) -> bool {
    matches!(function.results().next(), Some(Type::Result(it)) if it.err() == Some(Type::String))
}

struct Link {
    slot: Arc<Slot>,
    interface: String,
    function: String,
    takes_error: bool,
}

impl Link {
    async fn call(
        &self,
        mut store: StoreContextMut<'_, State>,
        params: &[Val],
        results: &mut [Val],
    ) -> wasmtime::Result<()> {
        let call = Call {
            interface: &self.interface,
            function: &self.function,
            params,
            context: store.data_mut().context().clone(),
        };
        let answer = Arc::clone(&self.slot).call(call).await;
        match (answer, results) {
            (Ok(Some(value)), [result]) => *result = value,
            (Ok(None), []) => {}
            (Err(error), [result]) if self.takes_error => {
                *result = Val::Result(Err(Some(Box::new(Val::String(error.to_string())))));
            }
            (Err(error), _) => return Err(wasmtime::Error::new(error)),
            (Ok(_), _) => {
                return Err(wasmtime::Error::new(CallError {
                    service: self.slot.service().to_owned(),
                    interface: self.interface.clone(),
                    function: self.function.clone(),
                    reason: CallFailure::WrongResults,
                }));
            }
        }
        Ok(())
    }
}
