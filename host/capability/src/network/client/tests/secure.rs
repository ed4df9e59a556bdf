//! Servers whose certificate comes from a private authority, or that ask for one: who reaches them.

use super::super::super::connection::Spawn;
use super::super::super::tls::ClientCertificate;
use super::*;
use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::service::service_fn;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use wasmtime_wasi_http::io::TokioIo;

/// A certificate authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate, key)
    }

    /// A component that trusts it for these hosts, and has a certificate of `own`.
    fn trusted(&self, hosts: &[&str], own: Option<&Authority>) -> Tls {
        let hosts: Vec<_> = hosts.iter().map(|it| (*it).to_owned()).collect();
        let own = own.map(|it| it.issue("client"));
        let own = own.map(|(certificate, key)| (certificate.pem(), key.serialize_pem()));
        let certificate = own.as_ref().map(|(chain, key)| ClientCertificate {
            chain: chain.as_bytes(),
            key: key.as_bytes(),
        });
        let mut tls = Tls::default();
        let pem = self.certificate.pem();
        tls.add(&hosts, Some(pem.as_bytes()), certificate)
            .expect("a rule");
        tls
    }

    /// A server on `localhost` that speaks these protocols. It wants a certificate of `clients`.
    fn acceptor(&self, protocols: &[&str], clients: Option<&Authority>) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(authority.certificate.der().clone()).expect("a root");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let (certificate, key) = self.issue("localhost");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let mut config = builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a server");
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A server on `localhost`, and a component that may reach it.
pub(super) struct Server {
    pub(super) port: u16,
    connections: Arc<AtomicUsize>,
    pub(super) network: Arc<Network>,
}

impl Server {
    /// Speaks these protocols over TLS, with a certificate that the component trusts.
    pub(super) async fn https(protocols: &[&str]) -> Self {
        let authority = Authority::new();
        let tls = authority.trusted(&["localhost"], None);
        Self::start(Some(authority.acceptor(protocols, None)), tls).await
    }

    /// Speaks HTTP/2 without TLS.
    pub(super) async fn plain() -> Self {
        Self::start(None, Tls::default()).await
    }

    async fn start(acceptor: Option<TlsAcceptor>, tls: Tls) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("an address").port();
        let connections = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Some(acceptor) = acceptor else {
                        return serve(stream, true).await;
                    };
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    serve(stream, http2).await;
                });
            }
        });
        Self {
            port,
            connections,
            network: network("localhost", port, 4, tls),
        }
    }

    pub(super) fn uri(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://localhost:{}{path}", self.port)
    }

    pub(super) async fn send(&self, request: Request<WasiBody>) -> Result<(Response<WasiBody>, Work), Error> {
        send(instance(&self.network), request, None, CallContext::default()).await
    }

    pub(super) async fn text(&self, request: Request<WasiBody>) -> Result<String, Error> {
        let body = read(self.send(request).await?).await?;
        Ok(String::from_utf8(body).expect("text"))
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, http2: bool) {
    let stream = TokioIo::new(stream);
    let served = if http2 {
        let server = hyper::server::conn::http2::Builder::new(Spawn);
        server.serve_connection(stream, service_fn(answer)).await
    } else {
        let server = hyper::server::conn::http1::Builder::new();
        server.serve_connection(stream, service_fn(answer)).await
    };
    drop(served);
}

/// Tells what came, with the trailers of a call of gRPC. `/silent` gets no answer, and `/endless` one without an end.
async fn answer(request: Request<Incoming>) -> Result<Response<WasiBody>, Infallible> {
    let (head, body) = request.into_parts();
    match head.uri.path() {
        "/silent" => std::future::pending().await,
        "/endless" => {
            let piece = || Ok::<_, Error>(Frame::data(Bytes::from(vec![0; 64 << 10])));
            let pieces = futures::stream::repeat_with(piece);
            return Ok(Response::new(StreamBody::new(pieces).boxed_unsync()));
        }
        _ => {}
    }
    let body = body.collect().await.expect("a whole request");
    let sent = body.trailers().and_then(|it| it.get("checksum").cloned());
    let te = head.headers.get("te").map_or("", |it| it.to_str().expect("text"));
    let text = format!(
        "{:?} {} {} te={te} body={}",
        head.version,
        head.method,
        head.uri,
        String::from_utf8_lossy(&body.to_bytes())
    );
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    if let Some(sent) = sent {
        trailers.insert("got-checksum", sent);
    }
    let frames = [Ok(Frame::data(Bytes::from(text))), Ok(Frame::trailers(trailers))];
    Ok(Response::new(
        StreamBody::new(futures::stream::iter(frames)).boxed_unsync(),
    ))
}

#[tokio::test]
async fn https_checks_who_answers() {
    let authority = Authority::new();
    let other = Authority::new();
    let trusted = authority.trusted(&["other.example", "localhost"], None);
    let server = Server::start(Some(authority.acceptor(&["http/1.1"], None)), trusted).await;
    let uri = server.uri("https", "/");
    let answer = server.text(get(&uri)).await.expect("an answer");
    assert_eq!(answer, "HTTP/1.1 GET / te= body=");

    let by_address = authority.trusted(&["*"], None);
    let by_address = network("127.0.0.1", server.port, 2, by_address);
    let uri_of_address = format!("https://127.0.0.1:{}/", server.port);
    let local = |tls| network("localhost", server.port, 2, tls);
    for (network, uri, why) in [
        (local(Tls::default()), &uri, "no browser trusts it"),
        (
            local(authority.trusted(&["other.example"], None)),
            &uri,
            "trusted for another host",
        ),
        (
            local(other.trusted(&["localhost"], None)),
            &uri,
            "another authority",
        ),
        (by_address, &uri_of_address, "it is for another name"),
    ] {
        let sent = send(instance(&network), get(uri), None, CallContext::default()).await;
        let error = sent.err();
        assert!(
            matches!(error, Some(Error::TlsCertificateError)),
            "{why}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_the_one_of_its_host() {
    let authority = Authority::new();
    let clients = Authority::new();
    for protocol in ["h2", "http/1.1"] {
        let acceptor = authority.acceptor(&[protocol], Some(&clients));
        let known = authority.trusted(&["localhost"], Some(&clients));
        let server = Server::start(Some(acceptor), known).await;
        let uri = server.uri("https", "/");
        server.text(get(&uri)).await.expect("it is known");

        let unknown = [
            authority.trusted(&["localhost"], None),
            authority.trusted(&["localhost"], Some(&authority)),
        ];
        for tls in unknown {
            let network = network("localhost", server.port, 2, tls);
            let sent = send(instance(&network), get(&uri), None, CallContext::default()).await;
            assert!(sent.is_err(), "{protocol}");
        }
    }
}
