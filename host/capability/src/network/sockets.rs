//! `wasi:sockets`, 0.2 and 0.3: wasmtime's sockets behind the policy. Ours is who may make a socket, how many there are, and every
//! address that one is used with.

use super::outbound::{Failure, Outbound};
use crate::State;
use crate::state::Split;
use crate::views::Views;
use shoal_admission::{Generation, Socket};
use shoal_api::Protocol;
use shoal_network::Refusal;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use wasmtime::StoreContextMut;
use wasmtime::component::{HasData, Linker, LinkerInstance, Resource, ResourceType};
use wasmtime_wasi::p2::bindings::sockets::{self as p2, network::IpAddressFamily};
use wasmtime_wasi::p3::bindings::sockets::types as p3;
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSockets, WasiSocketsCtxView};
use wasmtime_wasi::{WasiCtxBuilder, p2 as host2, sockets as host3};

/// Lets the sockets of an instance ask its policy.
pub(crate) fn connect(builder: &mut WasiCtxBuilder, outbound: Arc<Outbound>) {
    builder.allow_tcp(outbound.policy().grants(Protocol::Tcp));
    builder.allow_udp(outbound.policy().grants(Protocol::Udp));
    builder.socket_addr_check(move |address, usage| Box::pin(ready(allowed(&outbound, address, usage))));
}

fn allowed(outbound: &Outbound, address: SocketAddr, usage: SocketAddrUse) -> bool {
    let told = |refusal: Refusal| drop(outbound.log(refusal.into()));
    match usage {
        // What the system does by itself when a socket connects. A port of the guest's choice would be there to be found.
        SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => {
            let chosen_by_system = address.ip().is_unspecified() && address.port() == 0;
            if !chosen_by_system {
                told(Refusal::Bind { address });
            }
            chosen_by_system
        }
        SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => {
            told(Refusal::Listen { address });
            false
        }
        SocketAddrUse::TcpConnect => outbound.check(address, Protocol::Tcp).map_err(told).is_ok(),
        SocketAddrUse::UdpSend => outbound.check(address, Protocol::Udp).map_err(told).is_ok(),
        // Whoever sends datagrams to the socket is not the guest's doing.
        SocketAddrUse::UdpReceive => outbound.check(address, Protocol::Udp).is_ok(),
    }
}

/// Adds one interface of `wasi:sockets` under a name.
pub(crate) fn link(
    l: &mut Linker<State>,
    name: &str,
    which: Socket,
    generation: Generation,
    views: &Views,
) -> wasmtime::Result<()> {
    // Some definitions of wasmtime's are replaced.
    l.allow_shadowing(true);
    let done = add(&mut l.instance(name)?, which, generation, views);
    l.allow_shadowing(false);
    done
}

fn add(
    it: &mut LinkerInstance<'_, State>,
    which: Socket,
    generation: Generation,
    views: &Views,
) -> wasmtime::Result<()> {
    let place = views.place;
    match which {
        Socket::Network => {
            let options = wasmtime_wasi::p2::bindings::LinkOptions::default();
            p2::network::add_to_linker_instance::<_, WasiSockets>(it, &(&options).into(), views.sockets)
        }
        Socket::InstanceNetwork => {
            p2::instance_network::add_to_linker_instance::<_, WasiSockets>(it, views.sockets)
        }
        Socket::TcpCreate => {
            p2::tcp_create_socket::add_to_linker_instance::<_, HasMaker>(it, views.socket_maker)
        }
        Socket::UdpCreate => {
            p2::udp_create_socket::add_to_linker_instance::<_, HasMaker>(it, views.socket_maker)
        }
        Socket::Tcp => {
            p2::tcp::add_to_linker_instance::<_, WasiSockets>(it, views.sockets)?;
            let tcp = ResourceType::host::<host2::TcpSocket>();
            it.resource("tcp-socket", tcp, move |store, handle| {
                drop_tcp_2(store, place, handle)
            })
        }
        Socket::Udp => {
            p2::udp::add_to_linker_instance::<_, WasiSockets>(it, views.sockets)?;
            let udp = ResourceType::host::<host2::UdpSocket>();
            it.resource("udp-socket", udp, move |store, handle| {
                drop_udp_2(store, place, handle)
            })
        }
        Socket::Types => {
            p3::add_to_linker_instance::<_, WasiSockets>(it, views.sockets)?;
            let tcp = ResourceType::host::<host3::TcpSocket>();
            it.resource("tcp-socket", tcp, move |store, handle| {
                drop_tcp_3(store, place, handle)
            })?;
            let udp = ResourceType::host::<host3::UdpSocket>();
            it.resource("udp-socket", udp, move |store, handle| {
                drop_udp_3(store, place, handle)
            })?;
            it.func_wrap("[static]tcp-socket.create", move |store, parameters| {
                create_tcp_3(store, place, parameters)
            })?;
            it.func_wrap_async("[static]udp-socket.create", move |store, (family,)| {
                Box::new(async move { Ok((create_udp_3(store, place, family).await?,)) })
            })
        }
        Socket::NameLookup => super::lookup::link(it, generation, views),
    }
}

pub(crate) struct HasMaker;

impl HasData for HasMaker {
    type Data<'a> = Maker<'a>;
}

/// Makes sockets for the part at a place.
pub(crate) struct Maker<'a>(pub(crate) &'a mut State, pub(crate) usize);

/// Errors are converted as wasmtime does.
impl p2::network::Host for Maker<'_> {
    fn convert_error_code(&mut self, error: host2::SocketError) -> wasmtime::Result<p2::network::ErrorCode> {
        error.downcast()
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<p2::network::ErrorCode>> {
        p2::network::Host::network_error_code(&mut sockets(self.0, self.1), error)
    }
}

impl p2::network::HostNetwork for Maker<'_> {
    fn drop(&mut self, network: Resource<host2::Network>) -> wasmtime::Result<()> {
        p2::network::HostNetwork::drop(&mut sockets(self.0, self.1), network)
    }
}

impl p2::tcp_create_socket::Host for Maker<'_> {
    fn create_tcp_socket(
        &mut self,
        family: IpAddressFamily,
    ) -> host2::SocketResult<Resource<host2::TcpSocket>> {
        let place = Place::take(self.0, self.1, Protocol::Tcp).map_err(limit_2)?;
        let made = p2::tcp_create_socket::Host::create_tcp_socket(&mut sockets(self.0, self.1), family);
        place.keep_if(made.is_ok());
        made
    }
}

impl p2::udp_create_socket::Host for Maker<'_> {
    async fn create_udp_socket(
        &mut self,
        family: IpAddressFamily,
    ) -> host2::SocketResult<Resource<host2::UdpSocket>> {
        let place = Place::take(self.0, self.1, Protocol::Udp).map_err(limit_2)?;
        let made = p2::udp_create_socket::Host::create_udp_socket(&mut sockets(self.0, self.1), family).await;
        place.keep_if(made.is_ok());
        made
    }
}

fn limit_2(failure: Failure) -> host2::SocketError {
    match failure {
        Failure::TooMany(_) => p2::network::ErrorCode::NewSocketLimit.into(),
        _ => p2::network::ErrorCode::AccessDenied.into(),
    }
}

fn limit_3(failure: Failure) -> p3::ErrorCode {
    match failure {
        Failure::TooMany(_) => p3::ErrorCode::Other(Some(failure.to_string())),
        _ => p3::ErrorCode::AccessDenied,
    }
}

type Created<T> = Result<Resource<T>, p3::ErrorCode>;

fn create_tcp_3(
    mut store: StoreContextMut<'_, State>,
    at: usize,
    (family,): (p3::IpAddressFamily,),
) -> wasmtime::Result<(Created<host3::TcpSocket>,)> {
    let place = match Place::take(store.data_mut(), at, Protocol::Tcp) {
        Ok(place) => place,
        Err(failure) => return Ok((Err(limit_3(failure)),)),
    };
    let made = p3::HostTcpSocket::create(&mut sockets(store.data_mut(), at), family);
    place.keep_if(made.is_ok());
    Ok((told(made)?,))
}

async fn create_udp_3(
    mut store: StoreContextMut<'_, State>,
    at: usize,
    family: p3::IpAddressFamily,
) -> wasmtime::Result<Created<host3::UdpSocket>> {
    let place = match Place::take(store.data_mut(), at, Protocol::Udp) {
        Ok(place) => place,
        Err(failure) => return Ok(Err(limit_3(failure))),
    };
    let made = p3::HostUdpSocket::create(&mut sockets(store.data_mut(), at), family).await;
    place.keep_if(made.is_ok());
    told(made)
}

/// Tells an error of the guest's from a trap.
fn told<T>(
    made: Result<T, wasmtime_wasi::p3::sockets::SocketError>,
) -> wasmtime::Result<Result<T, p3::ErrorCode>> {
    match made {
        Ok(made) => Ok(Ok(made)),
        Err(error) => Ok(Err(error.downcast()?)),
    }
}

/// The sockets of the part at a place.
pub(crate) fn sockets(state: &mut State, at: usize) -> WasiSocketsCtxView<'_> {
    let Split { part, table, .. } = state.split(at);
    WasiSocketsCtxView {
        ctx: part.wasi().sockets(),
        table,
    }
}

/// A place among the instance's connections, held while a socket is made.
struct Place(Option<Arc<Outbound>>);

impl Place {
    fn take(state: &mut State, at: usize, protocol: Protocol) -> Result<Self, Failure> {
        let Some(outbound) = state.outbound(at) else {
            // Without a grant wasmtime's socket refuses by itself; admission refused the import long before.
            return Ok(Self(None));
        };
        // Wasmtime would refuse it too, and tell nobody but the guest.
        if let Err(refusal) = outbound.policy().socket(protocol) {
            return Err(outbound.log(refusal.into()));
        }
        outbound.open()?;
        Ok(Self(Some(outbound)))
    }

    /// The place belongs to the socket, if there is one; its destructor gives it back.
    fn keep_if(self, made: bool) {
        if let (Some(outbound), false) = (self.0, made) {
            outbound.close();
        }
    }
}

fn closed(state: &mut State, at: usize) {
    if let Some(outbound) = state.outbound(at) {
        outbound.close();
    }
}

fn drop_tcp_2(mut store: StoreContextMut<'_, State>, at: usize, handle: u32) -> wasmtime::Result<()> {
    p2::tcp::HostTcpSocket::drop(&mut sockets(store.data_mut(), at), Resource::new_own(handle))?;
    closed(store.data_mut(), at);
    Ok(())
}

fn drop_udp_2(mut store: StoreContextMut<'_, State>, at: usize, handle: u32) -> wasmtime::Result<()> {
    p2::udp::HostUdpSocket::drop(&mut sockets(store.data_mut(), at), Resource::new_own(handle))?;
    closed(store.data_mut(), at);
    Ok(())
}

fn drop_udp_3(mut store: StoreContextMut<'_, State>, at: usize, handle: u32) -> wasmtime::Result<()> {
    p3::HostUdpSocket::drop(&mut sockets(store.data_mut(), at), Resource::new_own(handle))?;
    closed(store.data_mut(), at);
    Ok(())
}

/// The streams of a connected socket of 0.3 may outlive its handle, and wasmtime does not tell when they end. So a connection that
/// was made counts until the instance is gone: too strict for an instance that is used again, but a limit that holds.
fn drop_tcp_3(mut store: StoreContextMut<'_, State>, at: usize, handle: u32) -> wasmtime::Result<()> {
    let mut view = sockets(store.data_mut(), at);
    let connected = p3::HostTcpSocket::get_remote_address(&mut view, Resource::new_borrow(handle)).is_ok();
    p3::HostTcpSocket::drop(&mut view, Resource::new_own(handle))?;
    if !connected {
        closed(store.data_mut(), at);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
