//! From a message or a point in time to a call: admission, the call, its deadline. What a trigger makes of an error is its own business.

use crate::call::deadline::{Passed, after, by};
use crate::call::failure::Failure;
use crate::call::unit::{Cause, Unit};
use crate::call::world::{EventWorld, Worlds};
use crate::code::resident::Resident;
use shoal_capability::{CallContext, RequestId, Trace};
use shoal_engine::{Fault, fair, metered};
use shoal_trigger::event::{Event, Failed, Handler, Handling};
use std::sync::Arc;
use tokio::time::Instant;

/// A component behind a trigger that nobody waits for.
pub(crate) struct EventComponent {
    pub(crate) unit: Arc<Unit>,
    pub(crate) resident: Arc<Resident<Worlds>>,
}

impl Handler for EventComponent {
    fn handle(&self, event: Event) -> Handling {
        let (unit, worlds) = (Arc::clone(&self.unit), self.resident.world());
        Box::pin(async move {
            let id = unit.next_request();
            let world = worlds.as_deref().map_err(Failure::unavailable);
            let world = world.and_then(|it| it.events().map_err(|error| Failure::unavailable(&error)));
            let handled = match world {
                Ok(world) => handle(&unit, world, id, event).await,
                Err(failure) => Err(failure),
            };
            handled.map_err(|failure| {
                let (service, component) = (unit.service.as_str(), unit.component.as_str());
                tracing::warn!(service, component, request = %id, "{failure}");
                Failed {
                    reason: failure.told(),
                }
            })
        })
    }

    fn places(&self) -> usize {
        self.unit.admission.concurrency() as usize
    }
}

async fn handle(unit: &Arc<Unit>, world: &EventWorld, id: RequestId, event: Event) -> Result<(), Failure> {
    // Its time begins when there is a place: nobody waits for an answer.
    let _place = unit.admission.wait().await?;
    let limit = unit.limits.request_timeout;
    let deadline = after(Instant::now(), limit);
    let context = CallContext {
        waiting: Some(Arc::new(deadline) as _),
        trace: Trace::of_fields(&event.fields),
        ..CallContext::default()
    };
    let call = world.call(unit, Cause { id, context }, event);
    let called = Box::pin({
        let unit = Arc::clone(unit);
        async move { by(deadline, metered(unit.meter(), call)).await }
    });
    match fair(unit.meter(), called).await {
        Ok(ended) => ended,
        Err(Passed) => Err(Fault::Deadline { limit }.into()),
    }
}
