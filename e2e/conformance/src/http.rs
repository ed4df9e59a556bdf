//! Requests from the network of the thread that makes them: this machine's, or a node's, where pods and services can be reached.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Moves the calling thread into a network namespace of `ip netns`, with the threads that it makes from here on.
pub fn enter(netns: &str) {
    let file = File::open(format!("/var/run/netns/{netns}")).expect("the node's network namespace");
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("setns");
}

/// The whole answer to one GET over a connection of its own: status and body.
///
/// # Errors
///
/// Whatever happened to the connection, and an answer that ends before its end.
pub fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    ask(address, "GET", path, "")
}

/// The whole answer to one POST, likewise.
///
/// # Errors
///
/// As for [`get`].
pub fn post(address: SocketAddr, path: &str, body: &str) -> io::Result<(u16, String)> {
    ask(address, "POST", path, body)
}

fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let cut = || {
        io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("the answer was cut: {text:?}"),
        )
    };
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(cut)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        dechunk(body).ok_or_else(cut)?
    } else {
        body.to_owned()
    };
    Ok((status.ok_or_else(cut)?, body))
}

fn dechunk(mut text: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, rest) = text.split_once("\r\n")?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(rest.get(..size)?);
        text = rest.get(size + 2..)?;
    }
}
