//! How outgoing HTTPS is spoken with some hosts: whom they have to come from, and who the component is to them.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{HOSTS, SUBDOMAIN};
use crate::{KeyRef, ReferenceKind, ValueSource, rules};

/// The key of a Secret of type `kubernetes.io/tls` that holds the certificate.
pub const TLS_CERTIFICATE: &str = "tls.crt";
/// The key of such a Secret that holds the private key.
pub const TLS_KEY: &str = "tls.key";

/// How outgoing HTTPS is spoken with some hosts.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::rule(
    "has(self.ca) || has(self.clientCertificate)",
    "an entry of tls needs a ca, a clientCertificate, or both"
))]
pub struct TlsRule {
    /// The hosts, as `outbound` writes them. The first entry that has a host counts for it.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 253), regex(pattern = HOSTS)))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub hosts: Vec<String>,
    /// Certificate authorities that the hosts' certificates must come from. Absent: those that browsers trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificateAuthorities>,
    /// The certificate that the component's requests present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
}

/// Certificate authorities, as PEM. They take the place of those that browsers trust.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["value", "valueFrom"], "ca needs exactly one of value and valueFrom"))]
pub struct CertificateAuthorities {
    /// The PEM itself. Exactly one of value and valueFrom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub value: Option<String>,
    /// Where the PEM is read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueSource>,
}

/// A certificate with its private key.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificate {
    /// A Secret of type `kubernetes.io/tls` of the same namespace: the certificate is its key `tls.crt`, the private key `tls.key`.
    #[schemars(length(min = 1, max = 253), regex(pattern = SUBDOMAIN))]
    pub secret_name: String,
}

impl ClientCertificate {
    /// The keys of the Secret: of the certificate, and of the private key.
    pub fn keys(&self) -> [KeyRef; 2] {
        [TLS_CERTIFICATE, TLS_KEY].map(|key| KeyRef {
            name: self.secret_name.clone(),
            key: key.to_owned(),
            optional: None,
        })
    }
}

impl TlsRule {
    /// The keys that it is read from.
    pub(crate) fn references(&self) -> Vec<(ReferenceKind, KeyRef)> {
        let ca = self.ca.as_ref().and_then(|it| it.value_from.as_ref());
        let ca = ca
            .and_then(ValueSource::key)
            .map(|(kind, key)| (kind, key.clone()));
        let certificate = self.client_certificate.iter();
        let certificate = certificate.flat_map(|it| it.keys().map(|key| (ReferenceKind::Secret, key)));
        ca.into_iter().chain(certificate).collect()
    }
}
