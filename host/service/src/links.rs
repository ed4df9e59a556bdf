//! Links between the services of a host: what each wants of others, what each offers, and who is led to whom. How a call crosses is in
//! `shoal-link`.

use crate::code::LinkError;
use crate::exported::{Exported, ExportedInterface};
use crate::{Service, ServiceError};
use shoal_api::Component;
use shoal_capability::{CapabilityError, State};
use shoal_compile::{Description, ItemKind};
use shoal_compose::{Owned, compatible, unversioned};
use shoal_link::{Interface, Misfit, Slot, Uncrossable, check, define, exported, fits, imported};
use std::fmt;
use std::sync::Arc;

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
    pub(crate) fn define(
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
pub(crate) fn bindings(
    parts: &[(usize, &Component)],
    description: &Description,
) -> Result<Vec<Binding>, ServiceError> {
    let mut bindings = Vec::new();
    for (place, (_, component)) in parts.iter().enumerate() {
        for link in &component.links {
            let Some(service) = &link.service else { continue };
            let before = bindings.len();
            for import in &description.imports {
                let (part, name) = match Owned::parse(&import.name) {
                    Some(owned) if parts.len() > 1 => (owned.part, owned.name),
                    _ => (0, import.name.as_str()),
                };
                if part == place && (name == link.import || unversioned(name) == link.import) {
                    bindings.push(Binding {
                        import: import.name.clone(),
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
    binding: Binding,
    interface: Interface,
}

/// What a service has for others.
pub(crate) struct Offer {
    component: String,
    export: String,
    interface: Interface,
    target: Arc<Exported>,
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
    let exports = description.exports.iter().filter(|it| is_own(&it.name, it.kind));
    let offers = exports.filter_map(|export| {
        Some(Offer {
            component: target.unit.component.clone(),
            export: export.name.clone(),
            interface: exported(component, &export.name)?,
            target: Arc::clone(target),
        })
    });
    offers.collect()
}

/// Whether an export is for other services: not one that a host calls.
pub(crate) fn is_own(name: &str, kind: ItemKind) -> bool {
    let hosts = name.starts_with("wasi:") || name.starts_with("shoal:service/message-handler");
    kind == ItemKind::Interface && name.contains('/') && !hosts
}

/// Leads every link of these services to where it belongs, and those that lead nowhere to nobody: their calls fail until they do.
///
/// # Errors
///
/// Each link that leads nowhere, and why.
pub(crate) fn connect(services: &[&Service]) -> Vec<ServiceError> {
    let mut errors = Vec::new();
    for service in services {
        for want in &service.wants {
            match find(service.name(), want, services) {
                Ok(offer) => want.binding.slot.point(Some(Arc::new(ExportedInterface {
                    component: Arc::clone(&offer.target),
                    export: offer.export.clone(),
                }))),
                Err(error) => {
                    want.binding.slot.point(None);
                    errors.push(error);
                }
            }
        }
    }
    errors
}

fn find<'a>(from: &str, want: &Want, services: &[&'a Service]) -> Result<&'a Offer, ServiceError> {
    let Binding {
        interface,
        component,
        slot,
        ..
    } = &want.binding;
    let link = || ServiceLink {
        from: format!("{from}/{component}"),
        interface: interface.clone(),
        service: slot.service().to_owned(),
    };
    let Some(service) = services.iter().find(|it| it.name() == slot.service()) else {
        return Err(ServiceError::NoService {
            link: link(),
            services: services.iter().map(|it| it.name().to_owned()).collect(),
        });
    };
    let named = |offer: &&Offer| offer.export == *interface || compatible(&offer.export, interface);
    let found: Vec<&Offer> = service.offers.iter().filter(named).collect();
    let offer = match found.as_slice() {
        [offer] => *offer,
        [] => {
            return Err(ServiceError::NotExported {
                link: link(),
                exports: service.offers.iter().map(|it| it.export.clone()).collect(),
            });
        }
        several => {
            return Err(ServiceError::Ambiguous {
                link: link(),
                components: several.iter().map(|it| it.component.clone()).collect(),
            });
        }
    };
    fits(&want.interface, &offer.interface).map_err(|misfits| ServiceError::LinkMisfit {
        link: link(),
        export: offer.export.clone(),
        misfits,
    })?;
    Ok(offer)
}

/// A link between services, for an error's text.
#[derive(Debug)]
pub struct ServiceLink {
    from: String,
    interface: String,
    service: String,
}

impl fmt::Display for ServiceLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "component {}: links: {} is linked to the service {}",
            self.from, self.interface, self.service
        )
    }
}

pub(crate) fn texts(misfits: &[Misfit]) -> String {
    misfits.iter().map(ToString::to_string).collect()
}
