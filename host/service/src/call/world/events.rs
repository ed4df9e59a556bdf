//! The worlds that a message or a point in time can call, and how each is called.

use super::Call;
use super::messages::{self, Messages};
use super::my_service::{self, MyService};
use super::program::{self, Program};
use crate::call::limits::ReuseLimits;
use crate::call::unit::{Cause, Unit};
use crate::code::instances::Instances;
use crate::code::linked::Linked;
use shoal_description::{Description, World};
use shoal_trigger::event::Event;
use std::sync::Arc;

/// What an event can call.
pub(crate) enum EventWorld {
    /// `shoal:service/message-handler`.
    Messages(Arc<Instances<Messages>>),
    /// `shoal:service/my-service`.
    MyService(Arc<Instances<MyService>>),
    /// `wasi:cli/run`.
    Program(Arc<Instances<Program>>),
}

impl EventWorld {
    /// The world of a component by its exports; none where no event can call it.
    pub(crate) fn of(
        description: &Description,
        linked: &Arc<Linked>,
        reuse: Option<ReuseLimits>,
    ) -> Option<wasmtime::Result<Self>> {
        let world = description.event_world()?;
        Some(match world {
            World::MessageService => {
                let name = &description.entry(world)?.name;
                let messages = linked.component().and_then(|pre| Messages::new(pre, name));
                messages.map(|it| Self::Messages(Instances::new(it, linked, reuse)))
            }
            World::MyService => {
                let service = linked.component().and_then(MyService::new);
                service.map(|it| Self::MyService(Instances::new(it, linked, reuse)))
            }
            World::Command => {
                let program = Program::new(linked, description.is_wasi3(world));
                // A program may be run once in an instance, so none is used again.
                program.map(|it| Self::Program(Instances::new(it, linked, None)))
            }
            // No event calls them.
            World::HttpProxy | World::HttpService => return None,
        })
    }

    /// Its name, for people.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Messages(_) => "shoal:service/message-service",
            Self::MyService(_) => "shoal:service/my-service",
            Self::Program(_) => "wasi:cli/command",
        }
    }

    /// Calls the guest for one event.
    pub(crate) fn call(&self, unit: &Arc<Unit>, cause: Cause, event: Event) -> Call {
        let unit = Arc::clone(unit);
        match self {
            Self::Messages(instances) => Box::pin(messages::event(Arc::clone(instances), unit, cause, event)),
            Self::MyService(instances) => {
                Box::pin(my_service::event(Arc::clone(instances), unit, cause, event))
            }
            Self::Program(instances) => Box::pin(program::event(Arc::clone(instances), unit, cause)),
        }
    }
}
