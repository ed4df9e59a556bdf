//! A request that did not go well: what its sender is told, and what the log says. Why an instance ended is in `engine`'s `Fault`.

use crate::call::exchange::Broken;
use crate::code::linked::LinkError;
use http::StatusCode;
use shoal_capability::RequestId;
use shoal_engine::Fault;
use shoal_link::CallFailure;
use shoal_trigger::http::{Response, text};
use std::time::Duration;

/// Why a request has no answer from its component.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The instance ended badly.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The answer's body was on its way, and did not get on.
    #[error(
        "limits.streamIdleTimeout: no part of the answer's body, nor of the request's, moved within {limit:?}"
    )]
    StreamIdle { limit: Duration },
    /// The answer was whole, and the component goes on.
    #[error("limits.requestTimeout: the component did not end within {limit:?} after the end of its answer")]
    NeverEnds { limit: Duration },
    /// Too many requests.
    #[error(
        "limits.concurrency: {concurrency} requests are worked on and limits.queueLength: {queue} wait already"
    )]
    Busy { concurrency: u32, queue: u32 },
    /// The request's body is too large.
    #[error("limits.requestBody: the request's body has more than the {limit} bytes allowed")]
    RequestBody { limit: u64 },
    /// The sender stopped in the middle of the request's body.
    #[error("the rest of the request's body did not come in time")]
    RequestStalled,
    /// The request is not what the component's world takes.
    #[error("{reason}")]
    BadRequest { reason: String },
    /// The component could not be mapped again.
    #[error("the component can't be loaded: {reason}")]
    Unavailable { reason: String },
    /// The guest returned, and gave no answer.
    #[error("the component returned without an answer")]
    NoAnswer,
    /// The guest answered with an error of `wasi:http`.
    #[error("the component answered with the error {code}")]
    ErrorCode { code: String },
    /// The guest returned an error for an event.
    #[error("the component returned an error: {reason}")]
    Refused { reason: String },
    /// The answer is too large to be sent.
    #[error("limits.responseBody: the component's answer has more than the {limit} bytes allowed")]
    ResponseBody { limit: u64 },
    /// Services call each other in a circle, or nearly.
    #[error(
        "services call each other, one within the other, more than {} deep",
        shoal_link::MAX_DEPTH
    )]
    TooDeep,
    /// What another service asked for is more than the host holds for one call.
    #[error(
        "the values of one call between services may take {} MiB of the host's memory, and these take more: pass less, or bytes by wasi:http",
        VALUES >> 20
    )]
    Values,
}

/// Bytes of the host's memory that the values of one call may take: wasmtime's default for what a guest hands to its host.
const VALUES: usize = 128 << 20;

impl Failure {
    /// Of a component that can't be mapped again.
    pub(crate) fn unavailable(error: &LinkError) -> Self {
        Self::Unavailable {
            reason: error.to_string(),
        }
    }

    /// Of a request whose body was broken off; `limit` is the most that it may have.
    pub(crate) fn broken(why: Broken, limit: u64) -> Self {
        match why {
            Broken::TooLarge => Self::RequestBody { limit },
            Broken::Stalled => Self::RequestStalled,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Fault(Fault::Deadline { .. }) | Self::StreamIdle { .. } | Self::NeverEnds { .. } => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::Fault(_) | Self::NoAnswer | Self::ResponseBody { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Busy { .. } | Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::RequestBody { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RequestStalled => StatusCode::REQUEST_TIMEOUT,
            Self::BadRequest { .. } => StatusCode::BAD_REQUEST,
            Self::ErrorCode { .. } | Self::Refused { .. } | Self::Values => StatusCode::BAD_GATEWAY,
            Self::TooDeep => StatusCode::LOOP_DETECTED,
        }
    }

    /// Whether it is the sender's doing and not the component's.
    pub(crate) fn by_sender(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. }
                | Self::RequestBody { .. }
                | Self::RequestStalled
                | Self::BadRequest { .. }
                | Self::TooDeep
        )
    }

    /// What whoever called is told. What a trap says, or a component to clients, can tell of its inside, so it goes to the log alone. What
    /// it says of a message goes with the dead letter, which is its service's own.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Fault(Fault::Trap { .. }) => "the component trapped; its log says where".to_owned(),
            Self::Fault(Fault::Host { .. }) => "the component ended; its log says why".to_owned(),
            Self::Unavailable { .. } => "the component can't be loaded; the log says why".to_owned(),
            Self::ErrorCode { .. } => "the component answered with an error; its log says which".to_owned(),
            other => other.to_string(),
        }
    }

    /// Whether no code of the component ran.
    fn before_call(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. }
                | Self::RequestBody { .. }
                | Self::BadRequest { .. }
                | Self::Unavailable { .. }
                | Self::TooDeep
        )
    }

    /// What a service that called is told.
    pub(crate) fn of_call(&self) -> CallFailure {
        let message = self.told();
        match self.before_call() {
            true => CallFailure::NotCalled { message },
            false => CallFailure::Failed { message },
        }
    }

    /// The answer for the sender.
    pub(crate) fn response(&self, request: RequestId) -> Response {
        let said = self.told();
        let mut response = text(self.status(), format!("{said} (request {request})\n"));
        if let Self::Busy { .. } = self {
            let soon = http::HeaderValue::from_static("1");
            response.headers_mut().insert(http::header::RETRY_AFTER, soon);
        }
        response
    }
}
