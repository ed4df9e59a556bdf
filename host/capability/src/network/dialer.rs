//! How names are resolved and connections made, once they are allowed. The one place that touches the network; a worker that may
//! not, asks a broker instead.

use async_trait::async_trait;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpStream;

/// Resolves and connects. It is asked only for what a policy allows, and decides nothing.
#[async_trait]
pub trait Dialer: Send + Sync {
    /// The addresses of a host name.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;

    /// A connection to an address.
    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream>;
}

/// Resolves and connects in this process, with the system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalDialer;

#[async_trait]
impl Dialer for LocalDialer {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in tokio::net::lookup_host((name, 0)).await? {
            let ip = address.ip().to_canonical();
            if !addresses.contains(&ip) {
                addresses.push(ip);
            }
        }
        Ok(addresses)
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        // Requests are written in one piece, and nobody gains from waiting for more.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
