//! An HTTP client that hides nothing: which connection, which version, what came before a body broke off.

use crate::within;
use bytes::Bytes;
use futures::channel::mpsc;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// The body of a request.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;
/// Where the parts of a streamed body are put in; the body ends when this is dropped.
pub type Upload = mpsc::Sender<Result<Frame<Bytes>, io::Error>>;

/// No body.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body of known length.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body of unknown length, written while the answer is read. At most one part waits.
pub fn upload() -> (Upload, Body) {
    let (sender, receiver) = mpsc::channel(0);
    (sender, StreamBody::new(receiver).boxed_unsync())
}

/// A part of an upload.
pub fn part(bytes: impl Into<Bytes>) -> Result<Frame<Bytes>, io::Error> {
    Ok(Frame::data(bytes.into()))
}

/// An answer that was read to its end, or to where it broke off.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// What came of its body.
    pub body: Vec<u8>,
    /// What came after its body.
    pub trailers: Option<HeaderMap>,
    /// Why the body broke off, if it did.
    pub cut: Option<String>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("a header of text"))
    }

    /// Fails unless it is complete, has this status, and this text as its body.
    #[track_caller]
    pub fn is(&self, status: u16, text: &str) {
        assert_eq!(
            (self.status, self.text().as_str(), &self.cut),
            (status, text, &None)
        );
    }

    /// Fails unless it is complete, has this status, and this text in its body.
    #[track_caller]
    pub fn has(&self, status: u16, text: &str) {
        assert_eq!(
            (self.status, &self.cut),
            (status, &None),
            "it says {}",
            self.text()
        );
        assert!(self.text().contains(text), "{text:?} is not in {}", self.text());
    }

    /// What stands for an answer whose connection ended before its head: status 0, cut.
    pub fn none(error: &hyper::Error) -> Self {
        Self {
            status: 0,
            headers: HeaderMap::new(),
            body: Vec::new(),
            trailers: None,
            cut: Some(format!("{error:?}")),
        }
    }

    /// Reads an answer.
    pub async fn read(response: Response<Incoming>) -> Self {
        let (head, mut body) = response.into_parts();
        let mut answer = Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body: Vec::new(),
            trailers: None,
            cut: None,
        };
        while let Some(frame) = within("the next part of a body", body.frame()).await {
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => answer.body.extend_from_slice(&data),
                Ok(Err(frame)) => answer.trailers = frame.into_trailers().ok(),
                Err(error) => {
                    answer.cut = Some(format!("{error:?}"));
                    break;
                }
            }
        }
        answer
    }
}

enum Sender {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

/// One connection.
pub struct Client {
    address: SocketAddr,
    sender: Sender,
}

impl Client {
    /// A connection that speaks HTTP/1.1.
    pub async fn h1(address: SocketAddr) -> Self {
        Self::try_h1(address)
            .await
            .unwrap_or_else(|error| panic!("can't connect to {address}: {error}"))
    }

    /// The same, where nobody may listen.
    pub async fn try_h1(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let mut builder = http1::Builder::new();
        builder.max_headers(1000).max_buf_size(1 << 20);
        let (sender, connection) = builder
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self {
            address,
            sender: Sender::One(sender),
        })
    }

    /// A connection that speaks HTTP/2 from the first byte (prior knowledge, RFC 9113 section 3.3).
    pub async fn h2(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("a handshake of HTTP/2");
        tokio::spawn(connection);
        Self {
            address,
            sender: Sender::Two(sender),
        }
    }

    /// Another hand on the same connection of HTTP/2.
    pub fn again(&self) -> Self {
        let Sender::Two(sender) = &self.sender else {
            panic!("HTTP/1.1 has one request at a time")
        };
        Self {
            address: self.address,
            sender: Sender::Two(sender.clone()),
        }
    }

    /// Sends a request whose URI is a path and query, and waits for the head of the answer.
    pub async fn try_send(&mut self, mut request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        let authority = self.address.to_string();
        match &mut self.sender {
            Sender::One(sender) => {
                if !request.headers().contains_key(http::header::HOST) {
                    request
                        .headers_mut()
                        .insert(http::header::HOST, authority.parse().expect("a header's value"));
                }
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Two(sender) => {
                let target = request.uri().path_and_query().expect("a path").clone();
                let uri = Uri::builder()
                    .scheme("http")
                    .authority(authority)
                    .path_and_query(target)
                    .build();
                *request.uri_mut() = uri.expect("a URI");
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// The same, where an answer must come.
    pub async fn send(&mut self, request: Request<Body>) -> Response<Incoming> {
        let target = request.uri().to_string();
        let sent = within(
            &format!("the head of the answer to {target}"),
            self.try_send(request),
        )
        .await;
        sent.unwrap_or_else(|error| panic!("no answer to {target}: {error:?}"))
    }

    /// Sends a request and reads its answer.
    pub async fn call(&mut self, request: Request<Body>) -> Answer {
        Answer::read(self.send(request).await).await
    }

    /// GET.
    pub async fn get(&mut self, target: &str) -> Answer {
        self.call(request(Method::GET, target, empty())).await
    }

    /// POST.
    pub async fn post(&mut self, target: &str, body: impl Into<Bytes>) -> Answer {
        self.call(request(Method::POST, target, full(body))).await
    }
}

/// A request without headers.
pub fn request(method: Method, target: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(target)
        .body(body)
        .expect("a request")
}

/// GET on a connection of its own.
pub async fn get(address: SocketAddr, target: &str) -> Answer {
    Client::h1(address).await.get(target).await
}

/// POST on a connection of its own.
pub async fn post(address: SocketAddr, target: &str, body: impl Into<Bytes>) -> Answer {
    Client::h1(address).await.post(target, body).await
}
