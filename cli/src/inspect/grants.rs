//! From refusals to the YAML that would turn them into grants. Which import needs what is `shoal-capability`'s knowledge.

use shoal_service::{Denied, Grant, Reason, link_entry, patterns, unused_list};
use std::collections::BTreeMap;

/// What an entry of `spec.components`, and what beside it, would have to say; empty where nothing is missing.
pub(crate) fn yaml(denied: &[Denied]) -> String {
    let mut capabilities = BTreeMap::new();
    let mut least = BTreeMap::new();
    let mut stores = None;
    let mut missing: Vec<&str> = Vec::new();
    for refusal in denied {
        match &refusal.reason {
            Reason::NotGranted(Grant {
                field,
                value,
                stores: beside,
                least: enough,
            }) => {
                stores = stores.or(*beside);
                if let Some(enough) = enough {
                    least.insert(field, enough);
                }
                // Sockets may need any port, outgoing HTTP 443: the placeholder covers both.
                let known = capabilities.entry(field).or_insert(value);
                if value.contains("PORT") {
                    *known = value;
                }
            }
            Reason::NoSuchInterface => missing.push(&refusal.import),
            Reason::NoSuchFunction | Reason::OtherVersion { .. } | Reason::NotSupportedYet => {}
        }
    }
    let mut out = String::new();
    if !missing.is_empty() {
        out.push_str("links:\n");
        let mut link = |import: &&str| out.push_str(&format!("- {}\n", link_entry(import)));
        missing.iter().for_each(&mut link);
        let unused = unused_list(&patterns(&missing));
        out.push_str("# or, of those that the program never calls, though its SDK declares them:\n");
        out.push_str(&format!("# capabilities: {{unusedImports: {unused}}}\n"));
    }
    if !capabilities.is_empty() {
        out.push_str("capabilities:\n");
        capabilities.iter().for_each(|(name, value)| {
            out.push_str(&format!("  {name}: {value}"));
            if let Some(enough) = least.get(name) {
                out.push_str(&format!("  # {enough} where it never connects"));
            }
            out.push('\n');
        });
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
             # or, of those that the program never calls, though its SDK declares them:\n\
             # capabilities: {unusedImports: [\"acme:auth/check\"]}\n\
             capabilities:\n  \
               keyValue: [{name: default, store: STORE}]\n  \
               messaging: [{channel: CHANNEL, redis: {url: URL}}]\n  \
               network: {outbound: [{host: HOST, ports: [PORT]}]}  # {outbound: []} where it never connects\n  \
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
            "capabilities:\n  network: {outbound: [{host: HOST, ports: [443]}]}  # {outbound: []} where it never connects\n"
        );
    }
}
