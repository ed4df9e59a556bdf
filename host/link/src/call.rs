//! One call on its way to another service, and what can come of it.

use shoal_capability::CallContext;
use std::pin::Pin;
use wasmtime::component::Val;

/// Services that call each other in one request, one within the other. Without a bound, two that call each other would fill the pool.
pub const MAX_DEPTH: u32 = 16;

/// A call of a function of another service.
#[derive(Debug)]
pub struct Call<'a> {
    /// The interface, as its caller imports it.
    pub interface: &'a str,
    /// The function.
    pub function: &'a str,
    /// The arguments. None of them belongs to a store.
    pub params: &'a [Val],
    /// What the call carries along: deadline, trace, depth.
    pub context: CallContext,
}

/// An answer on its way. Dropped where the caller ends first, and the call with it.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Option<Val>, CallError>> + Send + 'a>>;

/// Who answers calls: a component in this process, or whoever passes them on.
pub trait Target: Send + Sync + 'static {
    /// Answers one call. Whatever goes wrong on the way is an error for the caller.
    fn call<'a>(&'a self, call: Call<'a>) -> Answer<'a>;
}

/// A call of another service that has no answer. Its text is for the caller, who may be anybody: it tells nothing of the inside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("service {service}: {interface}#{function}: {reason}")]
pub struct CallError {
    /// The service that was called.
    pub service: String,
    /// The interface.
    pub interface: String,
    /// The function.
    pub function: String,
    /// What went wrong.
    pub reason: CallFailure,
}

/// What went wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// Nobody was called.
    #[error("no service of this name runs here")]
    NoService,
    /// It was refused before any code of the service ran for it: another try does nothing twice.
    #[error("{message}")]
    NotCalled {
        /// Why.
        message: String,
    },
    /// Code of the service ran for it, and there is no answer: what it was to do may have been done.
    #[error("{message}")]
    Failed {
        /// Why.
        message: String,
    },
    /// The answer does not have the type of the function.
    #[error("it answered with another number of values than its type has")]
    WrongResults,
}
