//! TLS of outgoing requests: rustls with ring, the roots that browsers trust, HTTP/1.1.

use super::fault::Fault;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::sync::{Arc, LazyLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Made once: the roots alone are a hundred certificates.
static PUBLIC: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.into(),
    };
    Arc::new(config(roots))
});

/// Trusts the certificate authorities that browsers trust.
pub(crate) fn public() -> Arc<ClientConfig> {
    Arc::clone(&PUBLIC)
}

/// A client that trusts `roots` and speaks HTTP/1.1.
pub(crate) fn config(roots: rustls::RootCertStore) -> ClientConfig {
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
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
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
