//! What the guests of wasi:http 0.2 share: reading a query, answering, streaming. Behaviour lives in the examples, one file
//! each.

use std::fmt::Display;
use std::io::Write as _;

pub mod client;

pub use wasip2;
use wasip2::http::types::{
    Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

/// Exports `$handle: fn(IncomingRequest, ResponseOutparam)` as the component's `wasi:http/incoming-handler`.
#[macro_export]
macro_rules! export {
    ($handle:path) => {
        struct Component;
        impl $crate::wasip2::exports::http::incoming_handler::Guest for Component {
            fn handle(
                request: $crate::wasip2::http::types::IncomingRequest,
                out: $crate::wasip2::http::types::ResponseOutparam,
            ) {
                $handle(request, out)
            }
        }
        $crate::wasip2::http::proxy::export!(Component with_types_in $crate::wasip2);
    };
}

/// The parameters of a request's query, percent-decoded, in the order they came.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query of `request`.
    pub fn of(request: &IncomingRequest) -> Self {
        let target = request.path_with_query().unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        };
        Self(
            query
                .split('&')
                .filter(|part| !part.is_empty())
                .map(pair)
                .collect(),
        )
    }

    /// The first value of `name`.
    pub fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Every value of `name`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of `name` as a number, `default` where it is absent or not one.
    pub fn number(&self, name: &str, default: u64) -> u64 {
        self.get(name)
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |digit: u8| (digit as char).to_digit(16);
        rest = match (first, tail) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push((hex(*high).unwrap() * 16 + hex(*low).unwrap()) as u8);
                after
            }
            (b'+', after) => {
                bytes.push(b' ');
                after
            }
            (_, after) => {
                bytes.push(*first);
                after
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A response whose body is still to be written.
pub struct Reply {
    // Declared before the body: a stream has to be dropped before the body that it belongs to.
    stream: OutputStream,
    body: OutgoingBody,
}

impl Reply {
    /// Sends status and headers, and opens the body.
    pub fn start(out: ResponseOutparam, status: u16, headers: Fields) -> Self {
        let response = OutgoingResponse::new(headers);
        response.set_status_code(status).unwrap();
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        Self {
            stream: body.write().unwrap(),
            body,
        }
    }

    /// Starts a plain 200.
    pub fn ok(out: ResponseOutparam) -> Self {
        Self::start(out, 200, Fields::new())
    }

    /// Writes as fast as the reader takes it; false once the reader has gone.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Hands what was written to the reader; false once the reader has gone.
    pub fn flush(&self) -> bool {
        self.stream.blocking_flush().is_ok()
    }

    /// Ends the body, with trailers if there are any.
    pub fn finish(self, trailers: Option<Fields>) {
        OutgoingBody::finish(self.into_body(), trailers).unwrap();
    }

    /// The body, still open, for guests that end it in their own way.
    pub fn into_body(self) -> OutgoingBody {
        drop(self.stream);
        self.body
    }
}

/// Answers `status` with `text` as the whole body.
pub fn answer(out: ResponseOutparam, status: u16, text: impl Display) {
    let mut reply = Reply::start(out, status, Fields::new());
    if reply.write(text.to_string().as_bytes()) {
        reply.finish(None);
    }
}

/// Calls `each` with every chunk of a body until it ends or `each` returns false. The error says why it broke off.
pub fn read(body: IncomingBody, mut each: impl FnMut(&[u8]) -> bool) -> Result<(), String> {
    let stream: InputStream = body
        .stream()
        .map_err(|()| "the body was read before".to_owned())?;
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(chunk) => {
                if !each(&chunk) {
                    return Ok(());
                }
            }
            Err(StreamError::Closed) => return Ok(()),
            Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
        }
    }
}
