//! HTTP/2: over TLS where the server chooses it, and without TLS for gRPC.

use super::*;
use bytes::Bytes;
use http::{HeaderMap, Version};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::service::service_fn;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use wasmtime_wasi_http::io::TokioIo;

use super::super::super::connection::Spawn;

/// A server on `localhost` with a certificate of its own, or without TLS.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    network: Arc<Network>,
}

impl Server {
    async fn start(protocols: Option<&[&str]>) -> Self {
        let (acceptor, roots) = protocols.map(tls).unzip();
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
            network: network("localhost", port, 4, roots),
        }
    }

    fn uri(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://localhost:{}{path}", self.port)
    }

    async fn send(&self, request: Request<WasiBody>) -> Result<(Response<WasiBody>, Work), Error> {
        send(instance(&self.network), request, None, CallContext::default()).await
    }

    async fn text(&self, request: Request<WasiBody>) -> Result<String, Error> {
        let body = read(self.send(request).await?).await?;
        Ok(String::from_utf8(body).expect("text"))
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn tls(protocols: &[&str]) -> (TlsAcceptor, rustls::RootCertStore) {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let certificate = key.cert.der().clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).expect("a key");
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], private)
        .expect("a server");
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).expect("a root");
    (TlsAcceptor::from(Arc::new(config)), roots)
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

/// A call of gRPC with a message and a trailer.
fn grpc(uri: &str) -> Request<WasiBody> {
    let mut trailers = HeaderMap::new();
    trailers.insert("checksum", HeaderValue::from_static("7"));
    let frames = [
        Ok(Frame::data(Bytes::from_static(b"message"))),
        Ok(Frame::trailers(trailers)),
    ];
    Request::post(uri)
        .header("content-type", "application/grpc+proto")
        .body(StreamBody::new(futures::stream::iter(frames)).boxed_unsync())
        .expect("a request")
}

#[tokio::test]
async fn the_server_chooses_the_version_and_requests_of_http_2_share_a_connection() {
    let server = Server::start(Some(&["h2", "http/1.1"])).await;
    let uri = server.uri("https", "/a?b");
    let expected = format!("HTTP/2.0 GET {uri} te= body=");
    assert_eq!(server.text(get(&uri)).await.expect("an answer"), expected);
    let at_once = (0..20).map(|_| server.text(get(&uri)));
    for answer in futures::future::join_all(at_once).await {
        assert_eq!(answer.expect("an answer"), expected);
    }
    assert_eq!(server.connections(), 1);

    let server = Server::start(Some(&["http/1.1"])).await;
    let answer = server.text(get(&server.uri("https", "/a?b"))).await;
    assert_eq!(answer.expect("an answer"), "HTTP/1.1 GET /a?b te= body=");
}

#[tokio::test]
async fn a_call_of_grpc_has_trailers_both_ways_with_and_without_tls() {
    for (scheme, protocols) in [("https", Some(&["h2"][..])), ("http", None)] {
        let server = Server::start(protocols).await;
        let uri = server.uri(scheme, "/greet.Greeter/Hello");
        for _ in 0..2 {
            let (answer, work) = server.send(grpc(&uri)).await.expect("an answer");
            assert_eq!(answer.version(), Version::HTTP_2);
            let work = tokio::spawn(Box::into_pin(work));
            let body = answer.into_body().collect().await.expect("a body");
            let trailers = body.trailers().expect("trailers");
            assert_eq!(
                (&trailers["grpc-status"], &trailers["got-checksum"]),
                (&"0".parse().unwrap(), &"7".parse().unwrap())
            );
            let text = format!("HTTP/2.0 POST {uri} te=trailers body=message");
            assert_eq!(body.to_bytes(), text);
            work.await.expect("no panic").expect("it was sent");
        }
        assert_eq!(server.connections(), 1, "{scheme}");
    }
}

#[tokio::test]
async fn grpc_needs_a_server_that_speaks_http_2() {
    let server = Server::start(Some(&["http/1.1"])).await;
    let error = server.text(grpc(&server.uri("https", "/"))).await;
    // What a server says that shares no protocol (RFC 7301, 3.2).
    assert!(
        matches!(
            error,
            Err(Error::TlsAlertReceived { .. } | Error::HttpProtocolError)
        ),
        "{error:?}"
    );
    let server = Server::start(Some(&[])).await;
    let error = server.text(grpc(&server.uri("https", "/"))).await;
    assert!(matches!(error, Err(Error::HttpProtocolError)), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_is_not_read_keeps_no_other_waiting() {
    let server = Server::start(Some(&["h2"])).await;
    let first = server.text(get(&server.uri("https", "/"))).await;
    first.expect("a connection that can be shared");
    let mut unread = Vec::new();
    for _ in 0..50 {
        let sent = server.send(get(&server.uri("https", "/endless"))).await;
        unread.push(sent.expect("a head"));
    }
    let answer = server.text(get(&server.uri("https", "/"))).await;
    assert!(answer.expect("an answer").starts_with("HTTP/2.0 GET"));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_connection_without_an_answer_gets_no_new_request() {
    let server = Server::start(Some(&["h2"])).await;
    let uri = server.uri("https", "/");
    server.text(get(&uri)).await.expect("an answer");
    let silent = server.uri("https", "/silent");
    let error = send(
        instance(&server.network),
        get(&silent),
        short(),
        CallContext::default(),
    )
    .await
    .err();
    assert!(matches!(error, Some(Error::ConnectionReadTimeout)), "{error:?}");
    assert_eq!(server.connections(), 1);
    server.text(get(&uri)).await.expect("over another connection");
    assert_eq!(server.connections(), 2);
}
