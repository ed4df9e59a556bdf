//! How a component speaks TLS with which hosts, from what its grant refers to. What is made of it is in `capability`.

use crate::assembly::values::{Objects, sourced};
use shoal_api::{Component, KeyRef, Problem, ReferenceKind, TLS_CERTIFICATE, TLS_KEY, TlsRule, ValueSource};
use shoal_capability::{ClientCertificate, Tls, TlsError};

/// The rules of a component's grant, with the certificates and keys that they name. `at` is the component's field.
pub(crate) fn granted(
    component: &Component,
    at: &str,
    objects: &Objects,
    problems: &mut Vec<Problem>,
) -> Tls {
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
    let authorities = match &rule.ca {
        None => None,
        Some(ca) => match &ca.value {
            Some(pem) => Some(pem.as_bytes()),
            None => sourced(ca.value_from.as_ref(), &format!("{at}.ca.valueFrom"), objects)?,
        },
    };
    let secret = format!("{at}.clientCertificate.secretName");
    let keys = rule.client_certificate.as_ref().map(|it| it.keys());
    let certificate = match &keys {
        None => None,
        Some([chain, key]) => Some(ClientCertificate {
            chain: part(chain, &secret, objects)?,
            key: part(key, &secret, objects)?,
        }),
    };
    let added = tls.add(&rule.hosts, authorities, certificate);
    added.map_err(|error| {
        let (field, message) = match &error {
            TlsError::Host(index, problem) => (format!("{at}.hosts[{index}]"), (*problem).to_owned()),
            TlsError::Authorities(problem) => (authorities_field(rule, at), problem.to_string()),
            TlsError::Certificate(problem) => (secret, format!("key {TLS_CERTIFICATE} {problem}")),
            TlsError::Key(problem) => (secret, format!("key {TLS_KEY} {problem}")),
            TlsError::Pair(_) => (secret, error.to_string()),
        };
        Problem {
            source: None,
            field,
            message,
            hint: None,
        }
    })
}

/// A key of the Secret with the client certificate.
fn part<'a>(at: &KeyRef, field: &str, objects: &'a Objects) -> Result<&'a [u8], Problem> {
    let read = objects.read(ReferenceKind::Secret, &at.name, &at.key, false, field);
    match read {
        Ok(bytes) => Ok(bytes.unwrap_or_default()),
        Err(problem) => Err(Problem {
            hint: Some(format!(
                "name a Secret with the keys {TLS_CERTIFICATE} and {TLS_KEY}, such as one of type kubernetes.io/tls"
            )),
            ..problem
        }),
    }
}

fn authorities_field(rule: &TlsRule, at: &str) -> String {
    let from = rule.ca.as_ref().and_then(|it| it.value_from.as_ref());
    match from.and_then(ValueSource::key) {
        None => format!("{at}.ca.value"),
        Some((ReferenceKind::ConfigMap, _)) => format!("{at}.ca.valueFrom.configMapKeyRef"),
        Some((ReferenceKind::Secret, _)) => format!("{at}.ca.valueFrom.secretKeyRef"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// What is wrong with a rule: the field, relative to the rule, and the message.
    fn problem(rule: Value) -> (String, String) {
        let component = json!({
            "name": "web",
            "file": "web.wasm",
            "capabilities": {"network": {"outbound": [], "tls": [rule]}},
        });
        let component: Component = serde_json::from_value(component).unwrap();
        let mut objects = Objects::default();
        let secret = json!({
            "metadata": {"name": "bad"},
            "stringData": {"tls.crt": "no PEM", "tls.key": "no PEM", "ca.crt": "no PEM"},
        });
        objects.add_secret(serde_json::from_value(secret).unwrap());
        let mut problems = Vec::new();
        granted(&component, "component", &objects, &mut problems);
        let problem = problems.pop().unwrap();
        assert_eq!(problems, []);
        let field = problem
            .field
            .strip_prefix("component.capabilities.network.tls[0].");
        (field.unwrap().to_owned(), problem.message)
    }

    #[test]
    fn what_is_wrong_is_told_with_its_field() {
        let host = "a.example";
        let table = [
            (
                json!({"hosts": [host], "ca": {"value": "no PEM"}}),
                "ca.value",
                "holds no certificate",
            ),
            (
                json!({"hosts": [host], "ca": {"valueFrom": {"secretKeyRef": {"name": "bad", "key": "ca.crt"}}}}),
                "ca.valueFrom.secretKeyRef",
                "holds no certificate",
            ),
            (
                json!({"hosts": [host], "ca": {"valueFrom": {"configMapKeyRef": {"name": "ca", "key": "ca.crt"}}}}),
                "ca.valueFrom.configMapKeyRef",
                "there is no ConfigMap ca",
            ),
            (
                json!({"hosts": [host], "clientCertificate": {"secretName": "bad"}}),
                "clientCertificate.secretName",
                "key tls.crt holds no certificate",
            ),
            (
                json!({"hosts": [host], "clientCertificate": {"secretName": "missing"}}),
                "clientCertificate.secretName",
                "there is no Secret missing",
            ),
            (
                json!({"hosts": [host, "a.*"], "ca": {"value": "no PEM"}}),
                "hosts[1]",
                "is neither a host name",
            ),
        ];
        for (rule, field, message) in table {
            let found = problem(rule);
            assert_eq!(found.0, field);
            assert!(found.1.starts_with(message), "{field}: {}", found.1);
        }
    }
}
