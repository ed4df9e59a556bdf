//! TLS of outgoing requests: rustls with ring, and for each host whom it must be certified by, and who the component is to it.

use super::fault::Fault;
use super::protocol::Protocol;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use shoal_network::HostPattern;
use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Made once: they are a hundred certificates.
static PUBLIC: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    Arc::new(RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.into(),
    })
});

/// How a component speaks TLS with which hosts. A host without a rule must be certified by an authority that browsers trust.
#[derive(Clone, Default)]
pub struct Tls {
    rules: Vec<(Vec<HostPattern>, Client)>,
    /// Each component has its own: the sessions that it remembers are nobody else's.
    public: OnceLock<Client>,
}

/// A certificate with its key, as PEM.
#[derive(Clone, Copy)]
pub struct ClientCertificate<'a> {
    /// The certificate, followed by those of the authorities between it and the root.
    pub chain: &'a [u8],
    /// Its private key.
    pub key: &'a [u8],
}

/// What is wrong with a rule.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A host of the list.
    #[error("{0}")]
    Host(usize, &'static str),
    /// The certificate authorities.
    #[error("{0}")]
    Authorities(PemProblem),
    /// The certificate.
    #[error("{0}")]
    Certificate(PemProblem),
    /// The private key.
    #[error("{0}")]
    Key(PemProblem),
    /// The certificate and the key, each of which is good.
    #[error("the certificate and the private key don't belong together: {0}")]
    Pair(rustls::Error),
}

/// Why a text is not the PEM that is expected.
#[derive(Debug, thiserror::Error)]
pub enum PemProblem {
    /// Nothing of the kind is in it.
    #[error("holds no {0}: PEM is expected, which begins with -----BEGIN")]
    Missing(&'static str),
    /// It can't be read.
    #[error("is not valid PEM: {0}")]
    Unreadable(pem::Error),
    /// It is PEM with the wrong content.
    #[error("can't be used: {0}")]
    Unusable(rustls::Error),
}

impl Tls {
    /// Adds a rule. The first rule that names a host applies to it. Without authorities, browsers' authorities are trusted.
    ///
    /// # Errors
    ///
    /// Which part is wrong, and why.
    pub fn add(
        &mut self,
        hosts: &[String],
        authorities: Option<&[u8]>,
        certificate: Option<ClientCertificate<'_>>,
    ) -> Result<(), TlsError> {
        let patterns = hosts
            .iter()
            .enumerate()
            .map(|(index, host)| HostPattern::parse(host).map_err(|problem| TlsError::Host(index, problem)));
        let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
        let roots = match authorities {
            Some(pem) => roots(pem).map_err(TlsError::Authorities)?,
            None => Arc::clone(&PUBLIC),
        };
        let builder = builder(roots);
        let config = match certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => {
                let (chain, key) = pair(certificate)?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(TlsError::Pair)?
            }
        };
        self.rules.push((patterns, Client::new(config)));
        Ok(())
    }

    /// How TLS is spoken with a host.
    pub(super) fn config(&self, host: &str, protocol: Protocol) -> Arc<ClientConfig> {
        let named = |(hosts, _): &&(Vec<HostPattern>, Client)| hosts.iter().any(|it| it.matches(host));
        let client = match self.rules.iter().find(named) {
            Some((_, client)) => client,
            None => self
                .public
                .get_or_init(|| Client::new(builder(Arc::clone(&PUBLIC)).with_no_client_auth())),
        };
        Arc::clone(match protocol {
            Protocol::Http2 => &client.http2,
            Protocol::Http1 | Protocol::Negotiated => &client.negotiated,
        })
    }
}

impl fmt::Debug for Tls {
    /// Hosts alone: what else there is, is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.rules.iter().map(|(hosts, _)| hosts);
        f.debug_list().entries(hosts).finish()
    }
}

/// One way to speak TLS.
#[derive(Clone)]
struct Client {
    /// The server chooses between HTTP/2 and HTTP/1.1.
    negotiated: Arc<ClientConfig>,
    /// It has to be HTTP/2.
    http2: Arc<ClientConfig>,
}

impl Client {
    fn new(mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        let mut http2 = config.clone();
        http2.alpn_protocols = vec![HTTP2.to_vec()];
        Self {
            negotiated: Arc::new(config),
            http2: Arc::new(http2),
        }
    }
}

fn builder(
    roots: Arc<RootCertStore>,
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    // Named, for the process may hold another provider too, and rustls does not choose.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    #[expect(
        clippy::expect_used,
        reason = "ring has the suites of TLS 1.2 and 1.3, which is all that is checked here"
    )]
    let builder = builder
        .with_safe_default_protocol_versions()
        .expect("ring offers TLS 1.2 and 1.3");
    builder.with_root_certificates(roots)
}

fn pair(
    certificate: ClientCertificate<'_>,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(certificate.chain).map_err(TlsError::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(certificate.key).map_err(|error| {
        TlsError::Key(match error {
            pem::Error::NoItemsFound => PemProblem::Missing("private key"),
            other => PemProblem::Unreadable(other),
        })
    })?;
    // Whether it is a key that can be used, before whether it is the certificate's.
    rustls::crypto::ring::sign::any_supported_type(&key)
        .map_err(|error| TlsError::Key(PemProblem::Unusable(error)))?;
    Ok((chain, key))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemProblem> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(PemProblem::Unreadable)?;
    if found.is_empty() {
        return Err(PemProblem::Missing("certificate"));
    }
    Ok(found)
}

fn roots(pem: &[u8]) -> Result<Arc<RootCertStore>, PemProblem> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(PemProblem::Unusable)?;
    }
    Ok(Arc::new(roots))
}

/// Speaks TLS over a connection, with a server that must prove to be `host`, a name or an address.
pub(super) async fn connect(
    config: Arc<ClientConfig>,
    host: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Fault> {
    let name = ServerName::try_from(host)
        .map_err(|_| Fault::ServerName(host.to_owned()))?
        .to_owned();
    TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(Fault::Tls)
}

/// Whether the server chose HTTP/2.
pub(super) fn is_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP2)
}

#[cfg(test)]
mod tests;
