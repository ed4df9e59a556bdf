//! A registry that does as a test tells it: a function from request to answer, with bodies that lie, break or never
//! end. It counts what it is asked.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use shoal_artifact::Digest;

type Body = BoxBody<Bytes, std::io::Error>;

/// What becomes of a body after its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It ends.
    Well,
    /// The connection breaks.
    Broken,
    /// Nothing comes any more, but the connection stays.
    Silent,
    /// The same bytes come over and over.
    Never,
    /// The same bytes come over and over, one chunk every 20 ms.
    Drip,
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    bytes: Vec<u8>,
    end: End,
}

impl Answer {
    pub(crate) fn ok(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            bytes: bytes.into(),
            end: End::Well,
        }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::ok([])
        }
    }

    pub(crate) fn with_body(mut self, text: &str) -> Self {
        self.bytes = text.as_bytes().to_vec();
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn end(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    async fn into_response(self) -> Response<Body> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(*name, value);
        }
        let chunk = Bytes::from(self.bytes);
        if self.end == End::Silent && chunk.is_empty() {
            std::future::pending::<()>().await;
        }
        let frame = |bytes: Bytes| Ok(Frame::data(bytes));
        let once = futures::stream::iter([chunk.clone()]).map(frame);
        let broken = futures::stream::iter([Err(std::io::Error::other("broken on purpose"))]);
        let body = match self.end {
            End::Well => http_body_util::Full::new(chunk)
                .map_err(|never: Infallible| match never {})
                .boxed(),
            End::Broken => BodyExt::boxed(StreamBody::new(once.chain(broken))),
            End::Silent => BodyExt::boxed(StreamBody::new(once.chain(futures::stream::pending()))),
            End::Never => BodyExt::boxed(StreamBody::new(futures::stream::repeat(chunk).map(frame))),
            End::Drip => {
                let slow = futures::stream::repeat(chunk).then(|chunk| async move {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    Ok(Frame::data(chunk))
                });
                BodyExt::boxed(StreamBody::new(slow))
            }
        };
        response.body(body).unwrap()
    }
}

/// What a test is told of a request.
pub(crate) struct Asked<'a> {
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    pub(crate) authorization: Option<&'a str>,
    /// The whole body, for POST alone.
    pub(crate) body: String,
    /// How many requests with this path came before.
    pub(crate) before: usize,
}

pub(crate) struct Fake {
    /// `127.0.0.1:port`.
    pub(crate) name: String,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Fake {
    pub(crate) async fn start(answer: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let name = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), asked.clone());
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, log) = (answer.clone(), log.clone());
                let service = service_fn(move |request| respond(answer.clone(), log.clone(), request));
                // A connection that breaks is what some tests are about.
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move { drop(connection.await) });
            }
        });
        Self { name, asked, task }
    }

    /// How many requests had `part` in their path.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .filter(|path| path.contains(part))
            .count()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn respond<F>(
    answer: Arc<F>,
    log: Arc<Mutex<Vec<String>>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible>
where
    F: Fn(&Asked<'_>) -> Answer,
{
    let (head, body) = request.into_parts();
    let body = match head.method == hyper::Method::POST {
        true => String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap(),
        false => String::new(),
    };
    let path = head.uri.path().to_owned();
    let before = {
        let mut log = log.lock().unwrap();
        log.push(path.clone());
        log.iter().filter(|other| **other == path).count() - 1
    };
    let authorization = head
        .headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let asked = Asked {
        path: &path,
        query: head.uri.query().unwrap_or_default(),
        method: head.method.as_str(),
        host: head
            .headers
            .get("host")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default(),
        authorization,
        body,
        before,
    };
    let answer = answer(&asked);
    Ok(answer.into_response().await)
}

/// An honest image, for a fake to be dishonest about.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) layer: Vec<u8>,
    pub(crate) layer_digest: Digest,
    pub(crate) manifest: Vec<u8>,
    pub(crate) manifest_digest: Digest,
}

impl Image {
    pub(crate) fn new(media_type: &str, layer: &[u8]) -> Self {
        Self::sized(media_type, layer, layer.len())
    }

    /// The manifest announces `size` bytes.
    pub(crate) fn sized(media_type: &str, layer: &[u8], size: usize) -> Self {
        let config = b"{}";
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": Digest::of(config), "size": 2},
            "layers": [{"mediaType": media_type, "digest": Digest::of(layer), "size": size}],
        });
        let manifest = manifest.to_string().into_bytes();
        Self {
            layer: layer.to_vec(),
            layer_digest: Digest::of(layer),
            manifest_digest: Digest::of(&manifest),
            manifest,
        }
    }

    /// What an honest registry answers.
    pub(crate) fn honest(&self, asked: &Asked<'_>) -> Answer {
        if asked.path.contains("/manifests/") {
            return Answer::ok(self.manifest.clone())
                .header("content-type", "application/vnd.oci.image.manifest.v1+json")
                .header("docker-content-digest", self.manifest_digest.as_str());
        }
        if asked.path.ends_with(self.layer_digest.as_str()) {
            return Answer::ok(self.layer.clone());
        }
        if asked.path == "/v2/" {
            Answer::ok("{}")
        } else {
            Answer::status(404)
        }
    }
}
