//! From refusals to the YAML that would turn them into grants. Which import needs what is `shoal-capability`'s knowledge.

use shoal_service::{Denied, Grant, Reason, link_entry};
use std::collections::BTreeMap;

/// What an entry of `spec.components`, and what beside it, would have to say; empty where nothing is missing.
pub(crate) fn yaml(denied: &[Denied]) -> String {
    let mut capabilities = BTreeMap::new();
    let mut stores = None;
    let mut links: Vec<String> = Vec::new();
    for refusal in denied {
        match &refusal.reason {
            Reason::NotGranted(Grant {
                field,
                value,
                stores: beside,
            }) => {
                stores = stores.or(*beside);
                // Sockets may need any port, outgoing HTTP 443: the placeholder covers both.
                let known = capabilities.entry(field).or_insert(value);
                if value.contains("PORT") {
                    *known = value;
                }
            }
            Reason::NoSuchInterface => links.push(link_entry(&refusal.import)),
            Reason::NoSuchFunction | Reason::OtherVersion { .. } | Reason::NotSupportedYet => {}
        }
    }
    let mut out = String::new();
    if !links.is_empty() {
        out.push_str("links:\n");
        links.iter().for_each(|link| out.push_str(&format!("- {link}\n")));
    }
    if !capabilities.is_empty() {
        out.push_str("capabilities:\n");
        capabilities
            .iter()
            .for_each(|(name, value)| out.push_str(&format!("  {name}: {value}\n")));
    }
    if let Some(stores) = stores {
        out.push_str(&format!("# beside components:\nstores: {stores}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_api::Component;
    use shoal_service::{Origin, admit};

    fn of(imports: &[&str]) -> String {
        yaml(
            &admit(
                imports.iter().copied(),
                &Component::default(),
                &Origin::Manifest(0),
            )
            .err()
            .unwrap_or_default(),
        )
    }

    #[test]
    fn each_grant_stands_there_once() {
        assert_eq!(
            of(&[
                "wasi:http/outgoing-handler@0.2.6",
                "wasi:sockets/tcp@0.2.6",
                "wasi:sockets/udp@0.2.6",
                "shoal:service/kv-store@0.1.0",
                "shoal:service/messaging@0.1.0",
                "shoal:service/secrets@0.1.0",
                "wasi:config/store@0.2.0-rc.1",
                "acme:auth/check@1.0.0",
            ]),
            "links:\n\
             - {import: \"acme:auth/check@1.0.0\", component: COMPONENT}\n\
             capabilities:\n  \
               config: [{name: NAME, value: VALUE}]\n  \
               keyValue: [{name: default, store: STORE}]\n  \
               messaging: [{channel: CHANNEL, redis: {url: URL}}]\n  \
               network: {outbound: [{host: HOST, ports: [PORT]}]}\n  \
               secrets: [{name: NAME, secretKeyRef: {name: SECRET, key: KEY}}]\n\
             # beside components:\n\
             stores: [{name: STORE, memory: {}}]\n"
        );
    }

    #[test]
    fn what_is_always_there_needs_none() {
        assert_eq!(of(&["wasi:cli/environment@0.2.6", "wasi:http/types@0.2.6"]), "");
        assert_eq!(
            of(&["wasi:http/outgoing-handler@0.2.6"]),
            "capabilities:\n  network: {outbound: [{host: HOST, ports: [443]}]}\n"
        );
    }
}
