//! Why an outgoing request came to nothing: what its component is told, and what stands in the service's log.

use super::outbound::{Failure, Outbound};
use super::target::Target;
use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::time::Duration;
use wasmtime_wasi_http::Error;

/// Bytes of an answer's head, and of its body, that are held for a guest that does not read them.
pub(super) const BUFFER: usize = 64 << 10;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Refused, or not connected. It is logged where it happens, for sockets and names too.
    #[error(transparent)]
    Outbound(#[from] Failure),
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    #[error("TLS: {0}")]
    Tls(io::Error),
    #[error("TLS: {0:?} is no name that a certificate could be for")]
    ServerName(String),
    #[error("the server speaks no HTTP/2, which a call of gRPC needs")]
    NoHttp2,
    #[error("no answer within {0:?}")]
    AnswerTimeout(Duration),
    #[error("the answer stopped: no more of it within {0:?}")]
    BodyTimeout(Duration),
    #[error("{}", whole(.0))]
    Http(#[from] hyper::Error),
    #[error("the component's own request: {0}")]
    Body(Error),
}

impl Fault {
    /// What the guest is told, after the service's log has the reason.
    pub(super) fn told(self, outbound: &Outbound, target: &Target) -> Error {
        if !matches!(self, Self::Outbound(_)) {
            outbound.tell(&format_args!("{target}: {self}"));
        }
        self.into()
    }
}

impl Fault {
    /// Whether the server closed the connection in place of an answer.
    pub(super) fn is_closed(&self) -> bool {
        let Self::Http(error) = self else { return false };
        let gone = [
            ErrorKind::UnexpectedEof,
            ErrorKind::ConnectionReset,
            ErrorKind::ConnectionAborted,
            ErrorKind::BrokenPipe,
        ];
        let http2 = error
            .source()
            .and_then(|source| source.downcast_ref::<h2::Error>());
        // The last is said of a request that the server has not looked at (RFC 9113, 8.7).
        let refused =
            |it: &h2::Error| it.is_io() || it.is_go_away() || it.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_incomplete_message()
            || error.is_closed()
            || error.is_canceled()
            || system(error).is_some_and(|kind| gone.contains(&kind))
            || http2.is_some_and(refused)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Outbound(failure) => told(&failure),
            Fault::ConnectTimeout(_) => Self::ConnectionTimeout,
            Fault::Tls(error) => tls(&error),
            Fault::NoHttp2 => Self::HttpProtocolError,
            Fault::ServerName(_) => Self::HttpRequestUriInvalid,
            Fault::AnswerTimeout(_) | Fault::BodyTimeout(_) => Self::ConnectionReadTimeout,
            Fault::Http(error) => broken(&error),
            Fault::Body(error) => error,
        }
    }
}

/// What the guest is told where nothing was connected.
fn told(failure: &Failure) -> Error {
    match failure {
        Failure::Refused(_) => Error::HttpRequestDenied,
        Failure::TooMany(_) => Error::ConnectionLimitReached,
        Failure::Resolve { source, .. } if source.kind() == ErrorKind::TimedOut => Error::DnsTimeout,
        Failure::Resolve { name, source } => Error::DnsError {
            // The one field that holds words.
            rcode: Some(format!("{name}: {source}")),
            info_code: None,
        },
        Failure::Connect { source, .. } => match source.kind() {
            ErrorKind::TimedOut => Error::ConnectionTimeout,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Error::DestinationIpUnroutable,
            ErrorKind::ConnectionRefused => Error::ConnectionRefused,
            _ => Error::DestinationUnavailable,
        },
    }
}

fn tls(error: &io::Error) -> Error {
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

/// The system's error behind hyper's.
fn system(error: &hyper::Error) -> Option<ErrorKind> {
    let source = error.source()?.downcast_ref::<io::Error>()?;
    Some(source.kind())
}

/// What hyper's error means to the guest.
fn broken(error: &hyper::Error) -> Error {
    let system = system(error);
    if error.is_incomplete_message() || system == Some(ErrorKind::UnexpectedEof) {
        Error::HttpResponseIncomplete
    } else if error.is_timeout() {
        Error::HttpResponseTimeout
    } else if error.is_closed() || error.is_canceled() || system.is_some() {
        Error::ConnectionTerminated
    } else if error.is_parse_too_large() {
        Error::HttpResponseHeaderSectionSize(u32::try_from(BUFFER).ok())
    } else {
        Error::HttpProtocolError
    }
}

/// An error with the reasons behind it, each once.
fn whole(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let reason = source.to_string();
        if !text.ends_with(&reason) {
            let _ = write!(text, ": {reason}");
        }
        next = source.source();
    }
    text
}
