//! `wasi:sockets`, 0.2 and 0.3: wasmtime's sockets behind the policy. Ours is who may make a socket, how many there are, and every
//! address that one is used with.

use super::outbound::{Failure, Outbound};
use crate::State;
use shoal_admission::{Generation, Socket};
use shoal_api::Protocol;
use shoal_network::Refusal;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use wasmtime::StoreContextMut;
use wasmtime::component::{HasData, Linker, Resource, ResourceType};
use wasmtime_wasi::p2::bindings::sockets::{self as p2, network::IpAddressFamily};
use wasmtime_wasi::p3::bindings::sockets::types as p3;
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSockets, WasiSocketsView as _};
use wasmtime_wasi::{WasiCtxBuilder, p2 as host2, sockets as host3};

/// The names under which wasmtime-wasi defines the interfaces that are changed below.
const TCP_2: &str = "wasi:sockets/tcp@0.2.12";
const UDP_2: &str = "wasi:sockets/udp@0.2.12";
const TYPES_3: &str = "wasi:sockets/types@0.3.0";

/// What is changed there.
#[cfg(test)]
pub(crate) const CHANGED: [(&str, &str); 4] = [
    (TCP_2, "tcp-socket"),
    (UDP_2, "udp-socket"),
    (TYPES_3, "tcp-socket"),
    (TYPES_3, "udp-socket"),
];

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
            address.ip().is_unspecified() && address.port() == 0
        }
        SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
        SocketAddrUse::TcpConnect => outbound.check(address, Protocol::Tcp).map_err(told).is_ok(),
        SocketAddrUse::UdpSend => outbound.check(address, Protocol::Udp).map_err(told).is_ok(),
        // Whoever sends datagrams to the socket is not the guest's doing.
        SocketAddrUse::UdpReceive => outbound.check(address, Protocol::Udp).is_ok(),
    }
}

/// Adds one interface of `wasi:sockets` other than the lookup of names.
pub(crate) fn link(l: &mut Linker<State>, which: Socket, generation: Generation) -> wasmtime::Result<()> {
    match which {
        Socket::Network => {
            let options = wasmtime_wasi::p2::bindings::LinkOptions::default();
            p2::network::add_to_linker::<_, WasiSockets>(l, &(&options).into(), State::sockets)
        }
        Socket::InstanceNetwork => p2::instance_network::add_to_linker::<_, WasiSockets>(l, State::sockets),
        Socket::TcpCreate => p2::tcp_create_socket::add_to_linker::<_, HasMaker>(l, |state| Maker(state)),
        Socket::UdpCreate => p2::udp_create_socket::add_to_linker::<_, HasMaker>(l, |state| Maker(state)),
        Socket::Tcp => {
            p2::tcp::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
            replace(l, TCP_2, |types| {
                types.resource("tcp-socket", ResourceType::host::<host2::TcpSocket>(), drop_tcp_2)
            })
        }
        Socket::Udp => {
            p2::udp::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
            replace(l, UDP_2, |types| {
                types.resource("udp-socket", ResourceType::host::<host2::UdpSocket>(), drop_udp_2)
            })
        }
        Socket::Types => {
            p3::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
            replace(l, TYPES_3, |types| {
                types.resource("tcp-socket", ResourceType::host::<host3::TcpSocket>(), drop_tcp_3)?;
                types.resource("udp-socket", ResourceType::host::<host3::UdpSocket>(), drop_udp_3)?;
                types.func_wrap("[static]tcp-socket.create", create_tcp_3)?;
                types.func_wrap_async("[static]udp-socket.create", |store, (family,)| {
                    Box::new(async move { Ok((create_udp_3(store, family).await?,)) })
                })
            })
        }
        Socket::NameLookup => super::lookup::link(l, generation),
    }
}

/// Replaces single definitions of an interface that is defined already.
fn replace(
    l: &mut Linker<State>,
    interface: &str,
    with: impl FnOnce(&mut wasmtime::component::LinkerInstance<'_, State>) -> wasmtime::Result<()>,
) -> wasmtime::Result<()> {
    l.allow_shadowing(true);
    let done = with(&mut l.instance(interface)?);
    l.allow_shadowing(false);
    done
}

struct HasMaker;

impl HasData for HasMaker {
    type Data<'a> = Maker<'a>;
}

struct Maker<'a>(&'a mut State);

/// Errors are converted as wasmtime does.
impl p2::network::Host for Maker<'_> {
    fn convert_error_code(&mut self, error: host2::SocketError) -> wasmtime::Result<p2::network::ErrorCode> {
        error.downcast()
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<p2::network::ErrorCode>> {
        p2::network::Host::network_error_code(&mut self.0.sockets(), error)
    }
}

impl p2::network::HostNetwork for Maker<'_> {
    fn drop(&mut self, network: Resource<host2::Network>) -> wasmtime::Result<()> {
        p2::network::HostNetwork::drop(&mut self.0.sockets(), network)
    }
}

impl p2::tcp_create_socket::Host for Maker<'_> {
    fn create_tcp_socket(
        &mut self,
        family: IpAddressFamily,
    ) -> host2::SocketResult<Resource<host2::TcpSocket>> {
        let place = Place::take(self.0).map_err(limit_2)?;
        let made = p2::tcp_create_socket::Host::create_tcp_socket(&mut self.0.sockets(), family);
        place.keep_if(made.is_ok());
        made
    }
}

impl p2::udp_create_socket::Host for Maker<'_> {
    async fn create_udp_socket(
        &mut self,
        family: IpAddressFamily,
    ) -> host2::SocketResult<Resource<host2::UdpSocket>> {
        let place = Place::take(self.0).map_err(limit_2)?;
        let made = p2::udp_create_socket::Host::create_udp_socket(&mut self.0.sockets(), family).await;
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
    (family,): (p3::IpAddressFamily,),
) -> wasmtime::Result<(Created<host3::TcpSocket>,)> {
    let place = match Place::take(store.data_mut()) {
        Ok(place) => place,
        Err(failure) => return Ok((Err(limit_3(failure)),)),
    };
    let made = p3::HostTcpSocket::create(&mut store.data_mut().sockets(), family);
    place.keep_if(made.is_ok());
    Ok((told(made)?,))
}

async fn create_udp_3(
    mut store: StoreContextMut<'_, State>,
    family: p3::IpAddressFamily,
) -> wasmtime::Result<Created<host3::UdpSocket>> {
    let place = match Place::take(store.data_mut()) {
        Ok(place) => place,
        Err(failure) => return Ok(Err(limit_3(failure))),
    };
    let made = p3::HostUdpSocket::create(&mut store.data_mut().sockets(), family).await;
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

/// A place among the instance's connections, held while a socket is made.
struct Place(Option<Arc<Outbound>>);

impl Place {
    fn take(state: &mut State) -> Result<Self, Failure> {
        let Some(outbound) = state.outbound() else {
            // Without a grant wasmtime's socket refuses by itself; admission refused the import long before.
            return Ok(Self(None));
        };
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

fn closed(state: &mut State) {
    if let Some(outbound) = state.outbound() {
        outbound.close();
    }
}

fn drop_tcp_2(mut store: StoreContextMut<'_, State>, handle: u32) -> wasmtime::Result<()> {
    p2::tcp::HostTcpSocket::drop(&mut store.data_mut().sockets(), Resource::new_own(handle))?;
    closed(store.data_mut());
    Ok(())
}

fn drop_udp_2(mut store: StoreContextMut<'_, State>, handle: u32) -> wasmtime::Result<()> {
    p2::udp::HostUdpSocket::drop(&mut store.data_mut().sockets(), Resource::new_own(handle))?;
    closed(store.data_mut());
    Ok(())
}

fn drop_udp_3(mut store: StoreContextMut<'_, State>, handle: u32) -> wasmtime::Result<()> {
    p3::HostUdpSocket::drop(&mut store.data_mut().sockets(), Resource::new_own(handle))?;
    closed(store.data_mut());
    Ok(())
}

/// The streams of a connected socket of 0.3 may outlive its handle, and wasmtime does not tell when they end. So a connection that
/// was made counts until the instance is gone: too strict for an instance that is used again, but a limit that holds.
fn drop_tcp_3(mut store: StoreContextMut<'_, State>, handle: u32) -> wasmtime::Result<()> {
    let mut sockets = store.data_mut().sockets();
    let connected = p3::HostTcpSocket::get_remote_address(&mut sockets, Resource::new_borrow(handle)).is_ok();
    p3::HostTcpSocket::drop(&mut sockets, Resource::new_own(handle))?;
    if !connected {
        closed(store.data_mut());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
