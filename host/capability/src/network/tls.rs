//! TLS of outgoing requests: rustls with ring, the roots that browsers trust, HTTP/1.1.

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::{Arc, LazyLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wasmtime_wasi_http::Error;

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
pub(crate) async fn connect(
    config: Arc<ClientConfig>,
    host: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Error> {
    let name = ServerName::try_from(host)
        .map_err(|_| Error::HttpRequestUriInvalid)?
        .to_owned();
    TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(|error| refused(&error))
}

fn refused(error: &io::Error) -> Error {
    tracing::debug!("outgoing request: TLS: {error}");
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
        Some(rustls::Error::AlertReceived(alert)) => Error::TlsAlertReceived {
            alert_id: Some((*alert).into()),
            alert_message: Some(format!("{alert:?}")),
        },
        Some(_) => Error::TlsProtocolError,
        None => Error::ConnectionTerminated,
    }
}
