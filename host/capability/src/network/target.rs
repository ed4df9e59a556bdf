//! Where an outgoing request goes.

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri};
use std::fmt;
use wasmtime_wasi_http::Error;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) path: PathAndQuery,
    /// The whole of it, with the path above.
    pub(super) uri: Uri,
}

impl Target {
    pub(super) fn of<B>(request: &Request<B>) -> Result<Self, Error> {
        // CONNECT asks for a tunnel to somewhere that no rule was asked about.
        if request.method() == Method::CONNECT {
            return Err(Error::HttpRequestMethodInvalid);
        }
        let uri: &Uri = request.uri();
        let authority: &Authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        // `https://granted.example@other.example` looks like what it is not, and RFC 9110 (4.2.4) forbids sending it.
        if authority.as_str().contains('@') {
            return Err(Error::HttpRequestUriInvalid);
        }
        let tls = uri.scheme() == Some(&Scheme::HTTPS);
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if tls => 443,
            None => 80,
        };
        let path = path(uri, request.method())?;
        let whole = Uri::builder()
            .scheme(if tls { Scheme::HTTPS } else { Scheme::HTTP })
            .authority(authority.clone())
            .path_and_query(path.clone())
            .build();
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port,
            tls,
            path,
            uri: whole.map_err(|_| Error::HttpRequestUriInvalid)?,
        })
    }
}

/// The path and query as they are sent: an empty path as `/` (RFC 9112, 3.2.1).
fn path(uri: &Uri, method: &Method) -> Result<PathAndQuery, Error> {
    let Some(sent) = uri.path_and_query() else {
        return Ok(PathAndQuery::from_static("/"));
    };
    match sent.as_str() {
        // It says this of an empty one, too, which would be written as it is.
        "/" => Ok(PathAndQuery::from_static("/")),
        // Of the server as a whole (RFC 9110, 9.3.7).
        "*" if method == Method::OPTIONS => Ok(sent.clone()),
        text if text.starts_with('/') => Ok(sent.clone()),
        text if text.starts_with('?') => {
            PathAndQuery::try_from(format!("/{text}")).map_err(|_| Error::HttpRequestUriInvalid)
        }
        _ => Err(Error::HttpRequestUriInvalid),
    }
}

/// Without the path: what stands there and in the query is between the component and the server.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, tls, .. } = self;
        let scheme = if *tls { "https" } else { "http" };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}
