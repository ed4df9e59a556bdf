//! Makes sockets for ever without connecting or dropping one: each is a descriptor of the host's process. outboundConnections or
//! the limit on handles must stop it; where the host tells the guest so, it answers "held".

use std::mem::forget;

use guest_http::answer;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::wasip2::sockets::network::IpAddressFamily;
use guest_http::wasip2::sockets::tcp_create_socket::create_tcp_socket;
use guest_http::wasip2::sockets::udp_create_socket::create_udp_socket;

guest_http::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    for n in 0u64.. {
        let made = create_tcp_socket(IpAddressFamily::Ipv4)
            .map(forget)
            .and_then(|()| create_udp_socket(IpAddressFamily::Ipv4).map(forget));
        if let Err(error) = made {
            return answer(out, 200, format_args!("held after {n}: {error:?}\n"));
        }
    }
}
