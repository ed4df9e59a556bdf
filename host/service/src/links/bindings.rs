//! Links between services: what a component wants of other services, and what it offers to them. Which offer a want is led to is
//! decided in `resolve`; how a call crosses, in `shoal-link`.

use crate::ServiceError;
use crate::code::linked::LinkError;
use crate::links::exported::Exported;
use shoal_api::Component;
use shoal_capability::{CapabilityError, Import, State};
use shoal_description::{Description, unversioned};
use shoal_link::{Interface, Misfit, Slot, Uncrossable, check, define, exported, imported};
use std::fmt;
use std::sync::Arc;

/// What a component's own manifest says of its imports: those that nobody shares who runs the same file.
#[derive(Default)]
pub(crate) struct Wiring {
    /// Imports that other services provide.
    pub(crate) bindings: Vec<Binding>,
    /// Imports that nobody provides, and nobody uses.
    pub(crate) stubs: Vec<Stub>,
}

impl Wiring {
    pub(crate) fn is_empty(&self) -> bool {
        self.bindings.is_empty() && self.stubs.is_empty()
    }

    /// Whether an import has its place here.
    pub(crate) fn has(&self, import: &str) -> bool {
        let stubs = self.stubs.iter().map(|it| it.import.as_str());
        let mut names = self.bindings.iter().map(|it| it.import.as_str()).chain(stubs);
        names.any(|it| it == import)
    }

    /// Defines what is in it.
    pub(crate) fn define(
        &self,
        linker: &mut wasmtime::component::Linker<State>,
        component: &wasmtime::component::Component,
    ) -> Result<(), LinkError> {
        for binding in &self.bindings {
            binding.define(linker, component)?;
        }
        for stub in &self.stubs {
            let import = Import {
                name: &stub.import,
                interface: &stub.interface,
                part: stub.part,
            };
            shoal_capability::stub(linker, component, import)?;
        }
        Ok(())
    }
}

/// An import that traps when it is called.
pub(crate) struct Stub {
    import: String,
    interface: String,
    part: usize,
}

/// What the manifest says of a component's imports, or of those of several in one.
///
/// # Errors
///
/// A link of an interface that its component does not import.
pub(crate) fn wiring(
    parts: &[(usize, &Component)],
    description: &Description,
) -> Result<Wiring, ServiceError> {
    let components: Vec<_> = parts.iter().map(|(_, component)| *component).collect();
    let stubs = shoal_capability::stubs(description, &components).map(|import| Stub {
        import: import.name.to_owned(),
        interface: import.interface.to_owned(),
        part: import.part,
    });
    Ok(Wiring {
        stubs: stubs.collect(),
        bindings: bindings(parts, description)?,
    })
}

/// An import that another service provides.
#[derive(Clone)]
pub(crate) struct Binding {
    /// The name under which the component imports it.
    pub(crate) import: String,
    /// The name between services.
    pub(crate) interface: String,
    /// The component whose import it is.
    pub(crate) component: String,
    pub(crate) slot: Arc<Slot>,
}

impl Binding {
    fn define(
        &self,
        linker: &mut wasmtime::component::Linker<State>,
        component: &wasmtime::component::Component,
    ) -> Result<(), LinkError> {
        let Some(interface) = imported(component, &self.import) else {
            return Ok(());
        };
        if let Err(found) = check(&interface) {
            return Err(LinkError::Crossing(Box::new(Crossing {
                component: self.component.clone(),
                interface: self.interface.clone(),
                service: self.slot.service().to_owned(),
                found,
            })));
        }
        let defined = define(linker, (&self.import, &self.interface), &interface, &self.slot);
        defined.map_err(|source| {
            LinkError::Capability(CapabilityError::Link {
                import: self.interface.clone(),
                source,
            })
        })
    }
}

/// An interface that can't be linked between services.
#[derive(Debug)]
pub struct Crossing {
    component: String,
    interface: String,
    service: String,
    found: Vec<Uncrossable>,
}

impl std::error::Error for Crossing {}

impl fmt::Display for Crossing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            component,
            interface,
            service,
            found,
        } = self;
        write!(
            f,
            "component {component}: links: {interface} can't be linked to the service {service}:"
        )?;
        found.iter().try_for_each(|it| write!(f, "\n  {it}"))
    }
}

/// The imports of a component, or of several in one, that other services provide.
///
/// # Errors
///
/// A link of an interface that its component does not import.
fn bindings(parts: &[(usize, &Component)], description: &Description) -> Result<Vec<Binding>, ServiceError> {
    let mut bindings = Vec::new();
    for (place, (_, component)) in parts.iter().enumerate() {
        for link in &component.links {
            let Some(service) = &link.service else { continue };
            let before = bindings.len();
            for import in description.imports_of_parts(parts.len()) {
                let name = import.interface;
                if import.part == place && (name == link.import || unversioned(name) == link.import) {
                    bindings.push(Binding {
                        import: import.name.to_owned(),
                        interface: name.to_owned(),
                        component: component.name.clone(),
                        slot: Arc::new(Slot::new(service)),
                    });
                }
            }
            if bindings.len() == before {
                return Err(ServiceError::NotImported {
                    component: component.name.clone(),
                    import: link.import.clone(),
                });
            }
        }
    }
    Ok(bindings)
}

/// What a service wants of another.
pub(crate) struct Want {
    pub(crate) binding: Binding,
    pub(crate) interface: Interface,
}

/// What a service has for others.
pub(crate) struct Offer {
    pub(crate) component: String,
    pub(crate) export: String,
    pub(crate) interface: Interface,
    pub(crate) target: Arc<Exported>,
}

/// What the bindings of a mapped component want.
pub(crate) fn wants(bindings: &[Binding], component: &wasmtime::component::Component) -> Vec<Want> {
    let wants = bindings.iter().filter_map(|binding| {
        Some(Want {
            binding: binding.clone(),
            interface: imported(component, &binding.import)?,
        })
    });
    wants.collect()
}

/// What a mapped component has for others: every interface of its own that it exports.
pub(crate) fn offers(
    target: &Arc<Exported>,
    description: &Description,
    component: &wasmtime::component::Component,
) -> Vec<Offer> {
    let offers = description.own_exports().filter_map(|export| {
        Some(Offer {
            component: target.unit.component.clone(),
            export: export.name.clone(),
            interface: exported(component, &export.name)?,
            target: Arc::clone(target),
        })
    });
    offers.collect()
}

pub(crate) fn texts(misfits: &[Misfit]) -> String {
    misfits.iter().map(ToString::to_string).collect()
}
