//! How a component's HTTPS is spoken, from what its grant refers to. What is made of it is in `capability`.

use crate::values::{Objects, sourced};
use shoal_api::{
    CertificateAuthorities, Component, KeyRef, Problem, ReferenceKind, TLS_CERTIFICATE, TLS_KEY, TlsRule, ValueSource,
};
use shoal_capability::{ClientCertificate, Tls, TlsError};

/// The rules of a component's grant, with the certificates and keys that they name. `at` is the component's field.
pub(crate) fn tls(component: &Component, at: &str, objects: &Objects, problems: &mut Vec<Problem>) -> Tls {
    let mut tls = Tls::default();
    let rules = component.capabilities.network.iter().flat_map(|it| &it.tls);
    for (index, rule) in rules.enumerate() {
        let at = format!("{at}.capabilities.network.tls[{index}]");
        if let Err(problem) = add(&mut tls, rule, &at, objects) {
            problems.push(problem);
        }
    }
    tls
}

fn add(tls: &mut Tls, rule: &TlsRule, at: &str, objects: &Objects) -> Result<(), Problem> {
    let ca = match &rule.ca {
        None => None,
        Some(CertificateAuthorities { value: Some(pem), .. }) => Some(pem.as_bytes()),
        // One that is missing and may be leaves the hosts to those that browsers trust.
        Some(CertificateAuthorities { value_from, .. }) => {
            sourced(value_from.as_ref(), &format!("{at}.ca.valueFrom"), objects)?
        }
    };
    let secret = format!("{at}.clientCertificate.secretName");
    let key = |key: &KeyRef| {
        let source = ValueSource {
            secret_key_ref: Some(key.clone()),
            config_map_key_ref: None,
        };
        sourced(Some(&source), &secret, objects).map(Option::unwrap_or_default)
    };
    let certificate = match rule.client_certificate.as_ref().map(shoal_api::ClientCertificate::keys) {
        None => None,
        Some([chain, private]) => Some(ClientCertificate {
            chain: key(&chain)?,
            key: key(&private)?,
        }),
    };
    tls.add(&rule.hosts, ca, certificate).map_err(|error| {
        let (field, message) = match error {
            TlsError::Host { index, .. } => (format!("{at}.hosts[{index}]"), error.to_string()),
            TlsError::Authorities(problem) => {
                let from = rule.ca.as_ref().and_then(|it| it.value_from.as_ref());
                let field = match from.and_then(ValueSource::key) {
                    None => "value",
                    Some((ReferenceKind::ConfigMap, _)) => "valueFrom.configMapKeyRef",
                    Some((ReferenceKind::Secret, _)) => "valueFrom.secretKeyRef",
                };
                (format!("{at}.ca.{field}"), problem.to_string())
            }
            TlsError::Certificate(problem) => (secret.clone(), format!("key {TLS_CERTIFICATE} {problem}")),
            TlsError::Key(problem) => (secret.clone(), format!("key {TLS_KEY} {problem}")),
            TlsError::Pair(_) => (secret.clone(), error.to_string()),
        };
        Problem {
            source: None,
            field,
            message,
            hint: None,
        }
    })
}
