//! Servers of HTTPS and of gRPC on loopback, with certificates of an authority that no browser knows.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A certificate with its private key.
pub struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Identity {
    /// The certificate as PEM.
    pub fn certificate(&self) -> String {
        self.certificate.pem()
    }

    /// The private key as PEM.
    pub fn key(&self) -> String {
        self.key.serialize_pem()
    }
}

impl Default for Authority {
    fn default() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }
}

impl Authority {
    /// Its own certificate as PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for a name.
    pub fn issue(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { certificate, key }
    }

    fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    /// A server on `localhost` that speaks these protocols, and asks for a certificate of the authority `clients` if there is one.
    fn server(&self, protocols: &[&str], clients: Option<&Authority>) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.der()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let own = self.issue("localhost");
        let key = PrivateKeyDer::try_from(own.key.serialize_der()).unwrap();
        let mut config = builder
            .with_single_cert(vec![own.certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        config
    }
}

/// A server that answers each request with its version, method, path and body, and with the trailers of a gRPC call. It ends when this is
/// dropped.
pub struct Secure {
    port: u16,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Secure {
    /// Speaks the HTTP of `protocols` (`h2`, `http/1.1`) over TLS.
    pub async fn https(authority: &Authority, protocols: &[&str], clients: Option<&Authority>) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(authority.server(protocols, clients)));
        Self::serve(Some(acceptor)).await
    }

    /// Speaks HTTP/2 without TLS, to those who begin with it.
    pub async fn plain() -> Self {
        Self::serve(None).await
    }

    async fn serve(acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Some(acceptor) = acceptor else {
                        return two(stream).await;
                    };
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    match stream.get_ref().1.alpn_protocol() {
                        Some(b"h2") => two(stream).await,
                        _ => one(stream).await,
                    }
                });
            }
        });
        Self {
            port,
            connections,
            task,
        }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn two(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await;
    drop(served);
}

async fn one(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let served = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await;
    drop(served);
}

async fn answer(
    request: Request<Incoming>,
) -> Result<Response<impl http_body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await;
    let sent = body.as_ref().ok().and_then(|body| body.trailers().cloned());
    let body = body.map(|it| it.to_bytes()).unwrap_or_default();
    let te = head.headers.get("te").map_or("", |it| it.to_str().unwrap());
    let text = format!(
        "{:?} {} {} te={te} body={}",
        head.version,
        head.method,
        head.uri,
        String::from_utf8_lossy(&body)
    );
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    for (name, value) in sent.iter().flatten() {
        trailers.insert(
            format!("got-{name}").parse::<http::HeaderName>().unwrap(),
            value.clone(),
        );
    }
    let body = Full::new(Bytes::from(text)).with_trailers(async move { Some(Ok(trailers)) });
    Ok(Response::new(body))
}
