//! Sockets of a guest against a policy, through the very functions that guests call, with real connections on loopback.

use super::super::{NetworkOptions, Policy};
use super::*;
use crate::{GrantsBuilder, RequestId};
use shoal_api::{NetworkGrant, OutboundRule};
use shoal_engine::{Limiter, Limits};
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};
use wasmtime::{AsContextMut as _, Config, Engine, Store};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpSocketAddress};
use wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket as _;

/// The sockets of a component that is one part.
trait Sockets {
    fn sockets(&mut self) -> WasiSocketsCtxView<'_>;
}

impl Sockets for State {
    fn sockets(&mut self) -> WasiSocketsCtxView<'_> {
        sockets(self, 0)
    }
}

fn store(rules: Vec<OutboundRule>, connections: u32) -> Store<State> {
    let policy = Policy::new(&NetworkGrant {
        outbound: rules,
        ..NetworkGrant::default()
    })
    .expect("rules");
    let network = Some(NetworkOptions::local(policy, connections));
    let grants = GrantsBuilder {
        network,
        ..GrantsBuilder::default()
    }
    .build()
    .expect("grants");
    let limits = Limits {
        memory: 1 << 20,
        cpu_time: Duration::from_secs(1),
    };
    let limiter = Limiter::new(limits, Arc::default());
    let engine = Engine::new(Config::new().concurrency_support(true)).expect("an engine");
    Store::new(&engine, State::new(grants, RequestId(1), limiter))
}

fn rule(port: u16, protocol: Protocol) -> OutboundRule {
    OutboundRule {
        host: "127.0.0.1".to_owned(),
        ports: vec![port.into()],
        protocols: vec![protocol],
        allow_private: false,
    }
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

fn address(port: u16) -> IpSocketAddress {
    SocketAddr::from(([127, 0, 0, 1], port)).into()
}

fn tcp(store: &mut Store<State>) -> Result<u32, ErrorCode> {
    let made = p2::tcp_create_socket::Host::create_tcp_socket(
        &mut Maker(store.data_mut(), 0),
        IpAddressFamily::Ipv4,
    );
    made.map(|socket| socket.rep())
        .map_err(|error| error.downcast().expect("told"))
}

/// Connects as guests do: begin, wait, end.
async fn connect(store: &mut Store<State>, socket: u32, to: IpSocketAddress) -> Result<(), ErrorCode> {
    let network =
        p2::instance_network::Host::instance_network(&mut store.data_mut().sockets()).expect("a network");
    let handle = || Resource::new_borrow(socket);
    let told = |error: host2::SocketError| error.downcast().expect("told");
    store
        .data_mut()
        .sockets()
        .start_connect(handle(), network, to)
        .map_err(told)?;
    let socket: &mut host2::TcpSocket = store.data_mut().table().get_mut(&handle()).expect("a socket");
    wasmtime_wasi::p2::Pollable::ready(socket).await;
    store
        .data_mut()
        .sockets()
        .finish_connect(handle())
        .map(drop)
        .map_err(told)
}

#[tokio::test]
async fn one_host_and_port_connects_and_every_other_is_refused() {
    let ((_granted, port), (_other, other)) = (listen().await, listen().await);
    let mut store = store(vec![rule(port, Protocol::Tcp)], 4);
    let socket = tcp(&mut store).expect("a socket");
    assert_eq!(connect(&mut store, socket, address(port)).await, Ok(()));
    for to in [address(other), SocketAddr::from(([127, 0, 0, 2], port)).into()] {
        let socket = tcp(&mut store).expect("a socket");
        assert_eq!(
            connect(&mut store, socket, to).await,
            Err(ErrorCode::AccessDenied)
        );
    }
}

#[tokio::test]
async fn nothing_can_be_listened_on() {
    let mut store = store(vec![rule(1, Protocol::Tcp)], 4);
    let told = |error: host2::SocketError| error.downcast().expect("told");
    for (ip, port) in [([127, 0, 0, 1], 0), ([127, 0, 0, 1], 4444), ([0, 0, 0, 0], 4444)] {
        let socket = tcp(&mut store).expect("a socket");
        let state = store.data_mut();
        let network = p2::instance_network::Host::instance_network(&mut state.sockets()).expect("a network");
        let at = SocketAddr::from((ip, port)).into();
        let bound = state
            .sockets()
            .start_bind(Resource::new_borrow(socket), network, at)
            .await;
        assert_eq!(bound.map_err(told), Err(ErrorCode::AccessDenied), "{ip:?}:{port}");
        drop_tcp_2(store.as_context_mut(), 0, socket).expect("dropped");
    }
    // Any port of the system's choice, as connecting takes it, may be bound to; but not be listened on.
    let socket = tcp(&mut store).expect("a socket");
    let handle = || Resource::new_borrow(socket);
    let state = store.data_mut();
    let network = p2::instance_network::Host::instance_network(&mut state.sockets()).expect("a network");
    let any = SocketAddr::from(([0, 0, 0, 0], 0)).into();
    state
        .sockets()
        .start_bind(handle(), network, any)
        .await
        .map_err(told)
        .expect("bound");
    state
        .sockets()
        .finish_bind(handle())
        .map_err(told)
        .expect("bound");
    assert_eq!(
        state.sockets().start_listen(handle()).await.map_err(told),
        Err(ErrorCode::AccessDenied)
    );
}

#[tokio::test]
async fn sockets_are_counted_from_their_making_to_their_end() {
    let mut store = store(vec![rule(1, Protocol::Tcp), rule(1, Protocol::Udp)], 2);
    let first = tcp(&mut store).expect("one");
    let mut maker = Maker(store.data_mut(), 0);
    let second = p2::udp_create_socket::Host::create_udp_socket(&mut maker, IpAddressFamily::Ipv4).await;
    let second = second
        .map_err(|error| error.downcast().expect("told"))
        .expect("two")
        .rep();
    assert_eq!(tcp(&mut store), Err(ErrorCode::NewSocketLimit));
    let (refused,) = create_tcp_3(store.as_context_mut(), 0, (p3::IpAddressFamily::Ipv4,)).expect("no trap");
    let Err(p3::ErrorCode::Other(Some(told))) = refused else {
        panic!("a third was made: {refused:?}")
    };
    assert!(
        told.starts_with("limits.outboundConnections: the instance has 2 connections open"),
        "{told}"
    );
    drop_tcp_2(store.as_context_mut(), 0, first).expect("dropped");
    drop_udp_2(store.as_context_mut(), 0, second).expect("dropped");
    for _ in 0..10 {
        let family = p3::IpAddressFamily::Ipv4;
        let (made,) = create_tcp_3(store.as_context_mut(), 0, (family,)).expect("no trap");
        let udp = create_udp_3(store.as_context_mut(), 0, family)
            .await
            .expect("no trap");
        drop_tcp_3(store.as_context_mut(), 0, made.expect("a place is free").rep()).expect("dropped");
        drop_udp_3(store.as_context_mut(), 0, udp.expect("a place is free").rep()).expect("dropped");
    }
}

#[tokio::test]
async fn a_connection_of_0_3_counts_until_the_instance_ends() {
    let (_listener, port) = listen().await;
    let mut store = store(vec![rule(port, Protocol::Tcp)], 2);
    for _ in 0..2 {
        let (made,) = create_tcp_3(store.as_context_mut(), 0, (p3::IpAddressFamily::Ipv4,)).expect("no trap");
        let socket = made.expect("a socket").rep();
        let connected = store
            .run_concurrent(async |accessor| {
                let accessor = accessor.with_getter::<WasiSockets>(State::sockets);
                let to = SocketAddr::from(([127, 0, 0, 1], port)).into();
                p3::HostTcpSocketWithStore::connect(&accessor, Resource::new_borrow(socket), to).await
            })
            .await
            .expect("no trap");
        assert!(connected.is_ok());
        drop_tcp_3(store.as_context_mut(), 0, socket).expect("dropped");
    }
    let (third,) = create_tcp_3(store.as_context_mut(), 0, (p3::IpAddressFamily::Ipv4,)).expect("no trap");
    assert!(third.is_err());
}

#[tokio::test]
async fn datagrams_go_where_udp_is_granted() {
    let peer = UdpSocket::bind("127.0.0.1:0").await.expect("bind");
    let port = peer.local_addr().expect("an address").port();
    let mut store = store(vec![rule(port, Protocol::Udp)], 8);
    let told = |error: host2::SocketError| -> ErrorCode { error.downcast().expect("told") };
    for (to, expected) in [(port, Ok(())), (port ^ 1, Err(ErrorCode::AccessDenied))] {
        let state = store.data_mut();
        let made =
            p2::udp_create_socket::Host::create_udp_socket(&mut Maker(state, 0), IpAddressFamily::Ipv4).await;
        let socket = made.map_err(told).expect("a socket").rep();
        let handle = || Resource::new_borrow(socket);
        let network = p2::instance_network::Host::instance_network(&mut state.sockets()).expect("a network");
        let any = SocketAddr::from(([0, 0, 0, 0], 0)).into();
        p2::udp::HostUdpSocket::start_bind(&mut state.sockets(), handle(), network, any)
            .await
            .map_err(told)
            .expect("bound");
        p2::udp::HostUdpSocket::finish_bind(&mut state.sockets(), handle())
            .map_err(told)
            .expect("bound");
        let streams = p2::udp::HostUdpSocket::stream(&mut state.sockets(), handle(), Some(address(to))).await;
        assert_eq!(streams.map(drop).map_err(told), expected);
    }
    // A grant of UDP is none of TCP.
    assert_eq!(tcp(&mut store), Err(ErrorCode::AccessDenied));
}
