//! Tries sockets by way of std::net, kind by kind: `?addr=host:port` connects by TCP, `?name=` resolves,
//! `?udp=host:port` sends a datagram and waits for the answer, `?listen=addr:port` listens. A line for each: `ok` or the error.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, answer};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = Query::of(&request);
    let mut text = String::new();
    let mut tell = |what: &str, target: &str, result: io::Result<String>| match result {
        Ok(detail) => writeln!(text, "{what} {target}: ok {detail}").unwrap(),
        Err(error) => writeln!(text, "{what} {target}: error {:?}: {error}", error.kind()).unwrap(),
    };
    for addr in query.all("addr") {
        tell("tcp", addr, connect(addr));
    }
    for name in query.all("name") {
        tell("dns", name, resolve(name));
    }
    for addr in query.all("udp") {
        tell("udp", addr, datagram(addr));
    }
    for addr in query.all("listen") {
        tell("listen", addr, TcpListener::bind(addr).map(|_| String::new()));
    }
    answer(out, 200, text);
}

/// Connects, says a line and reads one chunk of what comes back.
fn connect(addr: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(addr)?;
    stream.write_all(b"ping\n")?;
    let mut buffer = [0; 256];
    let read = stream.read(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..read]).trim_end().to_owned())
}

fn resolve(name: &str) -> io::Result<String> {
    let addresses: Vec<String> = (name, 0)
        .to_socket_addrs()?
        .map(|addr| addr.ip().to_string())
        .collect();
    Ok(addresses.join(" "))
}

fn datagram(addr: &str) -> io::Result<String> {
    let local = if addr.starts_with('[') {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    let socket = UdpSocket::bind(local)?;
    socket.send_to(b"ping\n", addr)?;
    let mut buffer = [0; 256];
    let (read, from) = socket.recv_from(&mut buffer)?;
    Ok(format!(
        "{} from {from}",
        String::from_utf8_lossy(&buffer[..read]).trim_end()
    ))
}
