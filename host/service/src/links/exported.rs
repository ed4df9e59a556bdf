//! A component as other services call it: a fresh instance for each call, under its own limits, its own admission and its own grants.

use crate::call::deadline::{Passed, after, by};
use crate::call::failure::Failure;
use crate::call::respond::{before, report};
use crate::call::unit::{Cause, Unit};
use crate::call::world::{Plain, Worlds};
use crate::code::instances::Instances;
use crate::code::resident::Resident;
use shoal_capability::{CallContext, RequestId, Trace};
use shoal_engine::{Fault, is_hostcall_fuel, metered};
use shoal_link::{Answer, Call, CallError, MAX_DEPTH, Target, size};
use std::sync::Arc;
use tokio::time::Instant;
use wasmtime::component::Val;

/// A component that other services call.
pub(crate) struct Exported {
    pub(crate) unit: Arc<Unit>,
    pub(crate) resident: Arc<Resident<Worlds>>,
}

/// One interface of it.
pub(crate) struct ExportedInterface {
    pub(crate) component: Arc<Exported>,
    /// The name under which it exports it.
    pub(crate) export: String,
}

impl Target for ExportedInterface {
    fn call<'a>(&'a self, call: Call<'a>) -> Answer<'a> {
        Box::pin(async move {
            let unit = &self.component.unit;
            let id = unit.next_request();
            self.answer(id, &call).await.map_err(|failure| {
                report(unit, id, &failure);
                CallError {
                    service: unit.service.clone(),
                    interface: call.interface.to_owned(),
                    function: call.function.to_owned(),
                    reason: failure.of_call(),
                }
            })
        })
    }
}

impl ExportedInterface {
    async fn answer(&self, id: RequestId, call: &Call<'_>) -> Result<Option<Val>, Failure> {
        let unit = &self.component.unit;
        let outer = &call.context;
        if outer.depth >= MAX_DEPTH {
            return Err(Failure::TooDeep);
        }
        let limit = unit.limits.request_body;
        if call.params.iter().map(size).sum::<u64>() > limit {
            return Err(Failure::RequestBody { limit });
        }
        let worlds = self.component.resident.world();
        let worlds = worlds.map_err(|error| Failure::unavailable(&error))?;
        let instances = worlds.exports().map_err(|error| Failure::unavailable(&error))?;
        let limit = unit.limits.request_timeout;
        let own = after(Instant::now(), limit);
        let context = CallContext {
            waiting: Some(Arc::new(before(own, outer)) as _),
            trace: outer.trace.as_ref().map(Trace::child),
            depth: outer.depth + 1,
        };
        let cause = Cause { id, context };
        let mut unfinished = Unfinished {
            unit,
            id,
            ended: false,
        };
        // The caller's deadline, where it comes first, ends this call along with its caller.
        let called = by(
            own,
            metered(unit.meter(), run(instances, unit, cause, (&self.export, call))),
        )
        .await;
        unfinished.ended = true;
        called.unwrap_or_else(|Passed| Err(Fault::Deadline { limit }.into()))
    }
}

async fn run(
    instances: &Instances<Plain>,
    unit: &Unit,
    cause: Cause,
    (export, call): (&str, &Call<'_>),
) -> Result<Option<Val>, Failure> {
    let _place = unit.admission.enter().await?;
    let mut live = instances.take(unit, cause).await?;
    let store = &mut live.store;
    let found = live.instance.get_export_index(&mut *store, None, export);
    let found = found.and_then(|it| {
        live.instance
            .get_export_index(&mut *store, Some(&it), call.function)
    });
    let Some(function) = found.and_then(|it| live.instance.get_func(&mut *store, it)) else {
        return Err(Failure::Unavailable {
            reason: format!("it exports no {} in {export}", call.function),
        });
    };
    let mut results = vec![Val::Bool(false); function.ty(&*store).results().len()];
    if let Err(error) = function.call_async(&mut *store, call.params, &mut results).await {
        if is_hostcall_fuel(&error) {
            return Err(Failure::Values);
        }
        return Err(unit.fault(&error, &live.store).into());
    }
    instances.give_back(live);
    let limit = unit.limits.response_body;
    if results.iter().map(size).sum::<u64>() > limit {
        return Err(Failure::ResponseBody { limit });
    }
    Ok(results.pop())
}

/// A call that is dropped before it ends, which its own log should say.
struct Unfinished<'a> {
    unit: &'a Unit,
    id: RequestId,
    ended: bool,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let (service, component) = (self.unit.service.as_str(), self.unit.component.as_str());
            let request = self.id;
            tracing::warn!(service, component, %request, "the service that called it waits no longer: its deadline passed, or it ended");
        }
    }
}
