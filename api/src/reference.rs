//! Which keys of Secrets and ConfigMaps a service reads. Who reads them, and when, is not decided here.

use crate::redis::servers;
use crate::{Component, KeyRef, TlsRule, ValueSource, WasmServiceSpec};

/// What a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReferenceKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl ValueSource {
    /// The key, and what it is a key of. None where the source names none, which no schema allows.
    pub fn key(&self) -> Option<(ReferenceKind, &KeyRef)> {
        let secret = self.secret_key_ref.as_ref();
        let config_map = self.config_map_key_ref.as_ref();
        secret
            .map(|it| (ReferenceKind::Secret, it))
            .or(config_map.map(|it| (ReferenceKind::ConfigMap, it)))
    }
}

/// The keys that a component's grants are read from, with those of the stores that it is granted and of the triggers that call it; its
/// variables, which kubelet knows how to read, are left out. A key may come several times.
pub fn references(component: &Component, spec: &WasmServiceSpec) -> Vec<(ReferenceKind, KeyRef)> {
    let config = component.capabilities.config.iter();
    let config = config.filter_map(|it| it.value_from.as_ref());
    let redis = servers(component, spec).into_iter();
    let redis = redis.flat_map(|it| [it.url_from, it.authorities_from]).flatten();
    let secrets = component.capabilities.secrets.iter();
    let secrets = secrets.map(|it| (ReferenceKind::Secret, &it.secret_key_ref));
    let named = config.chain(redis).filter_map(ValueSource::key).chain(secrets);
    let tls = component.capabilities.network.iter().flat_map(|it| &it.tls);
    named
        .map(|(kind, key)| (kind, key.clone()))
        .chain(tls.flat_map(TlsRule::references))
        .collect()
}
