//! `shoal:service/message-handler`: a message in, done or an error out.

use crate::call::failure::Failure;
use crate::call::unit::{Cause, Unit};
use crate::code::instances::{Instances, Template};
use shoal_capability::State;
use shoal_trigger::event::Event;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, ComponentType, InstancePre, Lower, TypedFunc};

/// A message as the interface has it.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Message {
    channel: String,
    payload: Vec<u8>,
    fields: Vec<(String, Vec<u8>)>,
    id: Option<String>,
    attempt: u32,
}

type HandleMessage = TypedFunc<(Message,), (Result<(), String>,)>;

pub(crate) struct Messages {
    pre: InstancePre<State>,
    export: ComponentExportIndex,
}

impl Messages {
    pub(super) fn new(pre: &InstancePre<State>, interface: &str) -> wasmtime::Result<Self> {
        let component = pre.component();
        let found = component.get_export_index(None, interface);
        let found = found.and_then(|it| component.get_export_index(Some(&it), "handle-message"));
        let export = found.ok_or_else(|| wasmtime::Error::msg("`handle-message` is not a function"))?;
        Ok(Self {
            pre: pre.clone(),
            export,
        })
    }
}

impl Template for Messages {
    type Instance = HandleMessage;

    async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<HandleMessage> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        instance.get_typed_func(store, self.export)
    }
}

pub(super) async fn event(
    instances: Arc<Instances<Messages>>,
    unit: Arc<Unit>,
    cause: Cause,
    event: Event,
) -> Result<(), Failure> {
    let mut live = instances.take(&unit, cause).await?;
    let message = Message {
        channel: event.channel,
        payload: event.payload,
        fields: event.fields,
        id: event.id,
        attempt: event.attempt,
    };
    match live.instance.call_async(&mut live.store, (message,)).await {
        Ok((done,)) => {
            instances.give_back(live);
            done.map_err(|reason| Failure::Refused { reason })
        }
        Err(error) => Err(unit.fault(&error, &live.store).into()),
    }
}
