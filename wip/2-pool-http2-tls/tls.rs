//! TLS of outgoing requests: rustls with ring, and for each host whom it has to come from, who we are to it, and which HTTP we speak.

use super::fault::Fault;
use super::pool::Wanted;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use shoal_network::HostPattern;
use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// Made once: they are a hundred certificates.
static PUBLIC: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    Arc::new(RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.into(),
    })
});

/// How HTTPS is spoken with which hosts. Where nothing is said of a host, it has to come from an authority that browsers trust.
#[derive(Clone, Default)]
pub struct Tls {
    rules: Vec<(Vec<HostPattern>, Client)>,
    /// Each component has its own, for what it remembers of the servers (sessions) is nobody else's.
    public: OnceLock<Client>,
}

/// A certificate with its key, as PEM.
#[derive(Clone, Copy)]
pub struct ClientCertificate<'a> {
    /// The certificate, followed by those that vouch for it.
    pub chain: &'a [u8],
    /// Its private key.
    pub key: &'a [u8],
}

/// What is wrong with a rule.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A host of the list.
    #[error("{host:?} {problem}")]
    Host {
        /// Its place in the list.
        index: usize,
        /// What it says.
        host: String,
        /// What is wrong with it.
        problem: &'static str,
    },
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
    #[error("the certificate and the key don't belong together: {0}")]
    Pair(rustls::Error),
}

/// Why something is not the PEM that is expected.
#[derive(Debug, thiserror::Error)]
pub enum PemProblem {
    /// Nothing of the kind is in it.
    #[error("has no {0} in it: PEM is expected, which begins with -----BEGIN")]
    Nothing(&'static str),
    /// It can't be read.
    #[error("is no PEM: {0}")]
    Unreadable(pem::Error),
    /// It is PEM, and what is in it is no good.
    #[error("is not usable: {0}")]
    Unusable(rustls::Error),
}

impl Tls {
    /// Adds a rule: the first that has a host counts. Without authorities, those that browsers trust vouch for the hosts.
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
        let pattern = |(index, host): (usize, &String)| {
            HostPattern::parse(host).map_err(|problem| TlsError::Host {
                index,
                host: host.clone(),
                problem,
            })
        };
        let hosts = hosts.iter().enumerate().map(pattern);
        let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
        let roots = match authorities {
            Some(pem) => roots(pem).map_err(TlsError::Authorities)?,
            None => Arc::clone(&PUBLIC),
        };
        self.rules.push((hosts, Client::new(roots, certificate)?));
        Ok(())
    }

    /// How a host is spoken with.
    pub(super) fn config(&self, host: &str, wanted: Wanted) -> Arc<ClientConfig> {
        let of = |client: &Client| match wanted {
            Wanted::Two => Arc::clone(&client.two),
            Wanted::One | Wanted::Either => Arc::clone(&client.either),
        };
        let matches = |(hosts, _): &&(Vec<HostPattern>, Client)| hosts.iter().any(|it| it.matches(host));
        match self.rules.iter().find(matches) {
            Some((_, client)) => of(client),
            None => of(self.public.get_or_init(|| Client::anonymous(Arc::clone(&PUBLIC)))),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.rules.iter().map(|(hosts, _)| hosts);
        f.debug_list().entries(hosts).finish()
    }
}

/// One way to speak TLS.
#[derive(Clone)]
struct Client {
    /// Where the server chooses between HTTP/2 and HTTP/1.1.
    either: Arc<ClientConfig>,
    /// Where it has to be HTTP/2.
    two: Arc<ClientConfig>,
}

impl Client {
    fn anonymous(roots: Arc<RootCertStore>) -> Self {
        Self::of(builder(roots).with_no_client_auth())
    }

    fn new(roots: Arc<RootCertStore>, certificate: Option<ClientCertificate<'_>>) -> Result<Self, TlsError> {
        let Some(ClientCertificate { chain, key }) = certificate else {
            return Ok(Self::anonymous(roots));
        };
        let chain = certificates(chain).map_err(TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
            TlsError::Key(match error {
                pem::Error::NoItemsFound => PemProblem::Nothing("private key"),
                other => PemProblem::Unreadable(other),
            })
        })?;
        // Whether it is a key at all, before whether it is the certificate's.
        rustls::crypto::ring::sign::any_supported_type(&key)
            .map_err(|error| TlsError::Key(PemProblem::Unusable(error)))?;
        let config = builder(roots).with_client_auth_cert(chain, key);
        config.map(Self::of).map_err(TlsError::Pair)
    }

    fn of(mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
        let mut two = config.clone();
        two.alpn_protocols = vec![HTTP_2.to_vec()];
        Self {
            either: Arc::new(config),
            two: Arc::new(two),
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

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemProblem> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(PemProblem::Unreadable)?;
    match found.is_empty() {
        true => Err(PemProblem::Nothing("certificate")),
        false => Ok(found),
    }
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
pub(super) fn speaks_two(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP_2)
}

#[cfg(test)]
mod tests;
