//! TLS of outgoing requests: rustls with ring, whom a server has to come from, and which HTTP it may choose.

use super::fault::Fault;
use super::protocol::Protocol;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::sync::{Arc, LazyLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Made once: the roots alone are a hundred certificates.
static PUBLIC: LazyLock<Client> = LazyLock::new(|| {
    Client::new(rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.into(),
    })
});

/// One way to speak TLS.
#[derive(Clone)]
pub(crate) struct Client {
    /// Where the server chooses between HTTP/2 and HTTP/1.1.
    either: Arc<ClientConfig>,
    /// Where it has to be HTTP/2.
    http2: Arc<ClientConfig>,
}

impl Client {
    /// Trusts the certificate authorities that browsers trust.
    pub(crate) fn public() -> Self {
        PUBLIC.clone()
    }

    /// Trusts `roots`.
    pub(crate) fn new(roots: rustls::RootCertStore) -> Self {
        let mut config = config(roots);
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        let mut http2 = config.clone();
        http2.alpn_protocols = vec![HTTP2.to_vec()];
        Self {
            either: Arc::new(config),
            http2: Arc::new(http2),
        }
    }

    pub(super) fn config(&self, protocol: Protocol) -> Arc<ClientConfig> {
        Arc::clone(match protocol {
            Protocol::Http2 => &self.http2,
            Protocol::Http1 | Protocol::Negotiated => &self.either,
        })
    }
}

fn config(roots: rustls::RootCertStore) -> ClientConfig {
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
    builder.with_root_certificates(roots).with_no_client_auth()
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
