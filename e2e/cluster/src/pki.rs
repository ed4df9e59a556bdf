//! Keys, certificates and kubeconfigs of a cluster, made once. Who may do what with them, Kubernetes' own roles say.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::json;

use crate::component::write;
use crate::layout::{Layout, MAX_NODES, SERVICE_API, node_name};

/// Who has a kubeconfig: the file's name, the user, and the group, if any.
const USERS: [(&str, &str, Option<&str>); 6] = [
    ("admin", "admin", Some("system:masters")),
    ("controller-manager", "system:kube-controller-manager", None),
    ("scheduler", "system:kube-scheduler", None),
    ("proxy", "system:kube-proxy", None),
    ("coredns", "system:coredns", None),
    ("metrics-server", "system:metrics-server", None),
];

/// Where the files lie.
#[derive(Clone, Debug)]
pub(crate) struct Pki {
    folder: PathBuf,
}

impl Pki {
    /// Those of a cluster.
    pub(crate) fn of(layout: &Layout) -> Self {
        Self {
            folder: layout.folder.join("pki"),
        }
    }

    /// A certificate.
    pub(crate) fn cert(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.crt"))
    }

    /// Its key.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.key"))
    }

    /// The public part of a key that has no certificate.
    pub(crate) fn public_key(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pub"))
    }

    /// What a client of the API server needs.
    pub(crate) fn kubeconfig(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.kubeconfig"))
    }

    /// Makes everything, unless it is there.
    pub(crate) fn ensure(&self, layout: &Layout) -> anyhow::Result<()> {
        if self.folder.exists() {
            return Ok(());
        }
        // Half of the files would be worse than none.
        let new = Self {
            folder: layout.folder.join("pki.new"),
        };
        let _absent = fs::remove_dir_all(&new.folder);
        fs::create_dir_all(&new.folder)?;
        new.make(layout).context("certificates can't be made")?;
        fs::rename(&new.folder, &self.folder)?;
        Ok(())
    }

    fn make(&self, layout: &Layout) -> anyhow::Result<()> {
        let ca = self.authority("ca")?;
        let control = layout.control_ip().to_string();
        let mut names: Vec<String> = [
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "localhost",
        ]
        .map(str::to_owned)
        .into();
        names.extend(["kubernetes.default.svc.cluster.local".to_owned(), control.clone()]);
        names.extend([SERVICE_API.to_string(), "127.0.0.1".to_owned()]);
        self.certificate(&ca, "apiserver", ("kube-apiserver", None), names)?;

        let server = format!("https://{control}:6443");
        for (name, user, group) in USERS {
            self.certificate(&ca, name, (user, group), Vec::new())?;
            self.write_kubeconfig(name, &server)?;
        }
        for node in 1..=MAX_NODES {
            let name = node_name(node);
            let user = format!("system:node:{name}");
            let names = vec![name.clone(), layout.node_ip(node).to_string()];
            self.certificate(&ca, &name, (&user, Some("system:nodes")), names)?;
            self.write_kubeconfig(&name, &server)?;
        }
        // With it the API server shows extensions of the API (metrics) on whose behalf it asks them.
        let front = self.authority("front-proxy-ca")?;
        self.certificate(&front, "front-proxy", ("front-proxy-client", None), Vec::new())?;

        let accounts = KeyPair::generate()?;
        write(&self.public_key("service-accounts"), &accounts.public_key_pem())?;
        write(&self.key("service-accounts"), &accounts.serialize_pem())
    }

    fn authority(&self, name: &str) -> anyhow::Result<Issuer<'static, KeyPair>> {
        let mut params = CertificateParams::new(Vec::new())?;
        params
            .distinguished_name
            .push(DnType::CommonName, format!("shoal-cluster-{name}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        write(&self.cert(name), &params.self_signed(&key)?.pem())?;
        write(&self.key(name), &key.serialize_pem())?;
        Ok(Issuer::new(params, key))
    }

    fn certificate(
        &self,
        issuer: &Issuer<'_, KeyPair>,
        name: &str,
        (user, group): (&str, Option<&str>),
        names: Vec<String>,
    ) -> anyhow::Result<()> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, user);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        write(&self.cert(name), &params.signed_by(&key, issuer)?.pem())?;
        write(&self.key(name), &key.serialize_pem())
    }

    fn write_kubeconfig(&self, name: &str, server: &str) -> anyhow::Result<()> {
        let data = |path: &Path| fs::read(path).map(|content| STANDARD.encode(content));
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "shoal",
            "clusters": [{"name": "shoal", "cluster": {
                "server": server, "certificate-authority-data": data(&self.cert("ca"))?,
            }}],
            "users": [{"name": name, "user": {
                "client-certificate-data": data(&self.cert(name))?, "client-key-data": data(&self.key(name))?,
            }}],
            "contexts": [{"name": "shoal", "context": {"cluster": "shoal", "user": name}}],
        });
        write(&self.kubeconfig(name), &config.to_string())
    }
}
