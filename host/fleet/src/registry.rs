//! Which services there are, and who wants what of whom. A change looks at the services that change and at those that want something of
//! them. What is linked, and how, is the node's own business.

use crate::ServiceId;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Names of services that an error lists at most.
const LISTED: usize = 20;

/// A service, as far as its links have to do with it.
pub(crate) trait Node {
    /// A link that was looked up.
    type Lead;
    /// A link that leads nowhere.
    type Error;

    fn id(&self) -> &ServiceId;
    /// The services that it is linked to, and the interface of each link.
    fn wants(&self) -> Vec<(ServiceId, String)>;
    /// Looks up its links to `provider`.
    fn resolve(&self, provider: &Self) -> Result<Vec<Self::Lead>, Vec<Self::Error>>;
    /// Why its links to `provider`, which is not `here`, lead nowhere.
    fn without(&self, provider: &ServiceId, here: &[String]) -> Vec<Self::Error>;
    /// Leads its links to `provider` nowhere.
    fn unlink(&self, provider: &ServiceId);
    /// Leads a link where it was found to belong.
    fn establish(lead: Self::Lead);
}

/// Services by their names, and the index of their links.
pub(crate) struct Registry<S> {
    services: HashMap<ServiceId, Arc<S>>,
    /// For each service, here or not, who wants which interface of it.
    dependents: HashMap<ServiceId, BTreeSet<(ServiceId, String)>>,
}

impl<S> Default for Registry<S> {
    fn default() -> Self {
        Self {
            services: HashMap::new(),
            dependents: HashMap::new(),
        }
    }
}

impl<S: Node> Registry<S> {
    pub(crate) fn contains(&self, id: &ServiceId) -> bool {
        self.services.contains_key(id)
    }

    /// The services that are linked to this one, which may not be here yet.
    pub(crate) fn dependents(&self, id: &ServiceId) -> BTreeSet<&ServiceId> {
        let wanted = self.dependents.get(id).into_iter().flatten();
        wanted.map(|(dependent, _)| dependent).collect()
    }

    /// Puts these services in, in place of those of the same names, and establishes their links and those of their dependents. Nothing
    /// changes where one of these links leads nowhere.
    pub(crate) fn put(&mut self, incoming: Vec<Arc<S>>) -> Result<(), Vec<S::Error>> {
        let leads = self.link(&incoming)?;
        leads.into_iter().for_each(S::establish);
        for service in incoming {
            let id = service.id().clone();
            self.forget_wants(&id);
            for (provider, interface) in service.wants() {
                let wanted = self.dependents.entry(provider).or_default();
                wanted.insert((id.clone(), interface));
            }
            self.services.insert(id, service);
        }
        Ok(())
    }

    /// Takes a service out. The links of its dependents lead nowhere from now on; returns an error for each of them.
    pub(crate) fn take(&mut self, id: &ServiceId) -> Option<(Arc<S>, Vec<S::Error>)> {
        self.forget_wants(id);
        let service = self.services.remove(id)?;
        let here = here(self.services.keys(), id);
        let mut errors = Vec::new();
        for dependent in self.dependents(id) {
            if let Some(dependent) = self.services.get(dependent) {
                dependent.unlink(id);
                errors.extend(dependent.without(id, &here));
            }
        }
        Some((service, errors))
    }

    /// Looks up the links of these services, and those of others to them.
    fn link(&self, incoming: &[Arc<S>]) -> Result<Vec<S::Lead>, Vec<S::Error>> {
        let new: HashMap<_, _> = incoming.iter().map(|it| (it.id(), it)).collect();
        let (mut leads, mut errors) = (Vec::new(), Vec::new());
        let mut resolve = |from: &S, to: &S| match from.resolve(to) {
            Ok(mut found) => leads.append(&mut found),
            Err(mut found) => errors.append(&mut found),
        };
        let mut missing = Vec::new();
        for service in incoming {
            let providers: BTreeSet<_> = service.wants().into_iter().map(|(id, _)| id).collect();
            for id in providers {
                match new.get(&id).copied().or_else(|| self.services.get(&id)) {
                    Some(provider) => resolve(service, provider),
                    None => missing.push((service, id)),
                }
            }
            for id in self.dependents(service.id()) {
                if let Some(dependent) = self.services.get(id)
                    && !new.contains_key(id)
                {
                    resolve(dependent, service);
                }
            }
        }
        for (service, id) in missing {
            let present = new.keys().copied().chain(self.services.keys());
            errors.extend(service.without(&id, &here(present, &id)));
        }
        if errors.is_empty() { Ok(leads) } else { Err(errors) }
    }

    fn forget_wants(&mut self, id: &ServiceId) {
        let wants = self.services.get(id).map(|it| it.wants());
        for (provider, interface) in wants.unwrap_or_default() {
            if let Some(wanted) = self.dependents.get_mut(&provider) {
                wanted.remove(&(id.clone(), interface));
                if wanted.is_empty() {
                    self.dependents.remove(&provider);
                }
            }
        }
    }
}

/// Some of these services that share a namespace with `missing`, for an error's text.
fn here<'a>(ids: impl Iterator<Item = &'a ServiceId>, missing: &ServiceId) -> Vec<String> {
    let ids = ids.filter(|id| id.namespace == missing.namespace);
    let names: BTreeSet<_> = ids.take(LISTED).map(|id| id.name.clone()).collect();
    names.into_iter().collect()
}

#[cfg(test)]
mod tests;
