//! Which offer of another service a link leads to. A link is looked up first and established later, so that a change that does not fit
//! leaves everything as it was. Which services there are is `shoal-fleet`'s business.

use crate::links::bindings::{Offer, Want};
use crate::links::exported::ExportedInterface;
use crate::{Service, ServiceError, ServiceId};
use shoal_description::compatible;
use shoal_link::{Slot, fits};
use std::fmt;
use std::sync::Arc;

/// A link that was looked up. Calls go there once it is established.
pub struct Lead {
    slot: Arc<Slot>,
    target: ExportedInterface,
}

impl Lead {
    /// Leads all calls from now on to what was found. Calls that are under way end where they are.
    pub fn establish(self) {
        self.slot.point(Some(Arc::new(self.target)));
    }
}

impl Service {
    /// What it wants of other services: which service, and which of its interfaces.
    pub fn wants(&self) -> impl Iterator<Item = (ServiceId, &str)> {
        self.wants.iter().map(|want| {
            let provider = self.id().sibling(want.binding.slot.service());
            (provider, want.binding.interface.as_str())
        })
    }

    /// The interfaces that other services can call.
    pub fn offers(&self) -> impl Iterator<Item = &str> {
        self.offers.iter().map(|offer| offer.export.as_str())
    }

    /// Looks up all its links to `provider`.
    ///
    /// # Errors
    ///
    /// Each link that does not fit, and why.
    pub fn resolve(&self, provider: &Self) -> Result<Vec<Lead>, Vec<ServiceError>> {
        let (mut leads, mut errors) = (Vec::new(), Vec::new());
        for want in self.wants_of(provider.id()) {
            match find(&self.link(want), want, &provider.offers) {
                Ok(offer) => leads.push(Lead {
                    slot: Arc::clone(&want.binding.slot),
                    target: ExportedInterface {
                        component: Arc::clone(&offer.target),
                        export: offer.export.clone(),
                    },
                }),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(leads) } else { Err(errors) }
    }

    /// Leads its links to `provider` nowhere: their calls fail until they are resolved and established again.
    pub fn unlink(&self, provider: &ServiceId) {
        for want in self.wants_of(provider) {
            want.binding.slot.point(None);
        }
    }

    /// An error for each of its links to `provider`, which is not among the services that are `here`.
    pub fn without(&self, provider: &ServiceId, here: &[String]) -> Vec<ServiceError> {
        let missing = self.wants_of(provider).map(|want| ServiceError::NoService {
            link: self.link(want),
            services: here.to_vec(),
        });
        missing.collect()
    }

    fn wants_of(&self, provider: &ServiceId) -> impl Iterator<Item = &Want> {
        let ours = provider.namespace == self.id().namespace;
        let wants = self.wants.iter();
        wants.filter(move |want| ours && want.binding.slot.service() == provider.name)
    }

    fn link(&self, want: &Want) -> ServiceLink {
        ServiceLink {
            from: format!("{}/{}", self.name(), want.binding.component),
            interface: want.binding.interface.clone(),
            service: want.binding.slot.service().to_owned(),
        }
    }
}

fn find<'a>(link: &ServiceLink, want: &Want, offers: &'a [Offer]) -> Result<&'a Offer, ServiceError> {
    let interface = &want.binding.interface;
    let named = |offer: &&Offer| offer.export == *interface || compatible(&offer.export, interface);
    let found: Vec<&Offer> = offers.iter().filter(named).collect();
    let offer = match found.as_slice() {
        [offer] => *offer,
        [] => {
            return Err(ServiceError::NotExported {
                link: link.clone(),
                exports: offers.iter().map(|it| it.export.clone()).collect(),
            });
        }
        several => {
            return Err(ServiceError::Ambiguous {
                link: link.clone(),
                components: several.iter().map(|it| it.component.clone()).collect(),
            });
        }
    };
    fits(&want.interface, &offer.interface).map_err(|misfits| ServiceError::LinkMisfit {
        link: link.clone(),
        export: offer.export.clone(),
        misfits,
    })?;
    Ok(offer)
}

/// A link between services, for an error's text.
#[derive(Clone, Debug)]
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
