//! Why a change of the fleet was not made.

use crate::ServiceId;
use shoal_service::ServiceError;

/// A change that was not made. What ran before runs on.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// Links of the service lead nowhere, or links of others to it would.
    #[error("{}", list(.0))]
    Links(Vec<ServiceError>),
    /// A service of this name is there already.
    #[error("the service {0} runs already")]
    Exists(ServiceId),
    /// There is no service of this name.
    #[error("the service {0} does not run here")]
    Unknown(ServiceId),
    /// A service answers HTTP and came without a listener.
    #[error("the service {0} answers HTTP and has nothing to listen on")]
    NoListener(ServiceId),
    /// The listener of a service has no address.
    #[error("the service {id} can't listen: {source}")]
    Listen {
        /// The service.
        id: ServiceId,
        /// The system's reason.
        source: std::io::Error,
    },
}

fn list(errors: &[ServiceError]) -> String {
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    errors.join("\n")
}
