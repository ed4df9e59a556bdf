//! `wasi:sockets/ip-name-lookup`, 0.2 and 0.3, in place of wasmtime's: names go through the policy and the dialer, and what comes
//! back is remembered.

use super::outbound::{Failure, Outbound};
use crate::State;
use crate::views::Views;
use shoal_admission::Generation;
use shoal_network::Refusal;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::vec::IntoIter;
use tokio::task::JoinHandle;
use wasmtime::StoreContextMut;
use wasmtime::component::{Accessor, HasData, LinkerInstance, Resource, ResourceType};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress};
use wasmtime_wasi::p2::{Network, Pollable, subscribe};
use wasmtime_wasi::p3::bindings::sockets::{ip_name_lookup as p3, types};

/// The interface of 0.2 is put together by hand: wasmtime's bindings tie it to a resource that only wasmtime can make.
pub(crate) fn link(
    lookup: &mut LinkerInstance<'_, State>,
    generation: Generation,
    views: &Views,
) -> wasmtime::Result<()> {
    if generation == Generation::Three {
        return p3::add_to_linker_instance::<_, HasLookup>(lookup, views.names);
    }
    let place = views.place;
    lookup.resource(
        "resolve-address-stream",
        ResourceType::host::<Lookup>(),
        |mut store, handle| {
            store
                .data_mut()
                .table()
                .delete(Resource::<Lookup>::new_own(handle))?;
            Ok(())
        },
    )?;
    lookup.func_wrap("resolve-addresses", move |store, (network, name)| {
        Ok((begin(store, place, &network, name)?,))
    })?;
    lookup.func_wrap(
        "[method]resolve-address-stream.resolve-next-address",
        |store, (lookup,)| Ok((next(store, &lookup)?,)),
    )?;
    lookup.func_wrap(
        "[method]resolve-address-stream.subscribe",
        |mut store: StoreContextMut<'_, State>, (lookup,): (Resource<Lookup>,)| {
            Ok((subscribe::<Lookup>(store.data_mut().table(), lookup)?,))
        },
    )
}

/// The answer to a question, or the task that asks it.
enum Lookup {
    Asked(JoinHandle<Answer>),
    Answered(Answer),
}

type Answer = Result<IntoIter<IpAddr>, ErrorCode>;

async fn ask(outbound: Arc<Outbound>, name: String) -> Answer {
    outbound
        .resolve(name)
        .await
        .map(Vec::into_iter)
        .map_err(|failure| code_2(&failure))
}

impl Lookup {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<&mut Answer> {
        if let Self::Asked(task) = self {
            // An error means that the task was stopped, with the runtime.
            let answer =
                ready!(Pin::new(task).poll(context)).unwrap_or(Err(ErrorCode::TemporaryResolverFailure));
            *self = Self::Answered(answer);
        }
        match self {
            Self::Answered(answer) => Poll::Ready(answer),
            Self::Asked(_) => Poll::Pending,
        }
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        if let Self::Asked(task) = self {
            task.abort();
        }
    }
}

#[async_trait::async_trait]
impl Pollable for Lookup {
    async fn ready(&mut self) {
        poll_fn(|context| self.poll(context).map(drop)).await;
    }
}

fn begin(
    mut store: StoreContextMut<'_, State>,
    at: usize,
    network: &Resource<Network>,
    name: String,
) -> wasmtime::Result<Result<Resource<Lookup>, ErrorCode>> {
    let state = store.data_mut();
    // The handle stands for the right to ask, so it has to be one.
    state.table().get(network)?;
    let Some(outbound) = state.outbound(at) else {
        return Ok(Err(ErrorCode::AccessDenied));
    };
    let mut asking = Box::pin(ask(outbound, name));
    // Refusals are known at once, and are told at once.
    let lookup = match asking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(code)) => return Ok(Err(code)),
        Poll::Ready(answer) => Lookup::Answered(answer),
        Poll::Pending => Lookup::Asked(tokio::spawn(asking)),
    };
    Ok(Ok(state.table().push(lookup)?))
}

fn next(
    mut store: StoreContextMut<'_, State>,
    lookup: &Resource<Lookup>,
) -> wasmtime::Result<Result<Option<IpAddress>, ErrorCode>> {
    let lookup = store.data_mut().table().get_mut(lookup)?;
    Ok(match lookup.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => Err(ErrorCode::WouldBlock),
        Poll::Ready(Ok(addresses)) => Ok(addresses.next().map(IpAddress::from)),
        Poll::Ready(Err(code)) => Err(*code),
    })
}

fn code_2(failure: &Failure) -> ErrorCode {
    match failure {
        Failure::Refused(Refusal::NoName { .. }) => ErrorCode::InvalidArgument,
        Failure::Refused(_) => ErrorCode::AccessDenied,
        Failure::TooMany(_) => ErrorCode::TemporaryResolverFailure,
        Failure::Resolve { .. } | Failure::Connect { .. } => ErrorCode::NameUnresolvable,
    }
}

fn code_3(failure: &Failure) -> p3::ErrorCode {
    match failure {
        Failure::Refused(Refusal::NoName { .. }) => p3::ErrorCode::InvalidArgument,
        Failure::Refused(_) => p3::ErrorCode::AccessDenied,
        Failure::TooMany(_) => p3::ErrorCode::TemporaryResolverFailure,
        Failure::Resolve { .. } | Failure::Connect { .. } => p3::ErrorCode::NameUnresolvable,
    }
}

pub(crate) struct HasLookup;

impl HasData for HasLookup {
    type Data<'a> = Names<'a>;
}

/// Looks up names for the part at a place.
pub(crate) struct Names<'a>(pub(crate) &'a mut State, pub(crate) usize);

impl Names<'_> {
    fn outbound(&mut self) -> Option<Arc<Outbound>> {
        self.0.outbound(self.1)
    }
}

impl p3::Host for Names<'_> {}

impl<T> p3::HostWithStore<T> for HasLookup {
    async fn resolve_addresses(
        store: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<Vec<types::IpAddress>, p3::ErrorCode>> {
        let Some(outbound) = store.with(|mut access| access.get().outbound()) else {
            return Ok(Err(p3::ErrorCode::AccessDenied));
        };
        Ok(match outbound.resolve(name).await {
            Ok(addresses) => Ok(addresses.into_iter().map(types::IpAddress::from).collect()),
            Err(failure) => Err(code_3(&failure)),
        })
    }
}
