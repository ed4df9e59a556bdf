//! Which service listens where.

use std::net::SocketAddr;
use tokio::net::TcpListener;

/// The address of the first service. The others follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    /// None once there is no port left.
    next: Option<SocketAddr>,
}

/// `ADDRESS:PORT`, `localhost:PORT` or `PORT`.
pub(crate) fn parse(text: &str) -> Result<Listen, String> {
    let loopback = |port: &str| format!("127.0.0.1:{port}");
    let address = match text.split_once(':') {
        Some(("localhost", port)) => loopback(port),
        None => loopback(text),
        Some(_) => text.to_owned(),
    };
    let address = address.parse().map_err(|_| {
        format!(
            "{text:?} is no address: write ADDRESS:PORT, such as 127.0.0.1:3000, 0.0.0.0:80 or [::1]:3000"
        )
    });
    address.map(|address| Listen { next: Some(address) })
}

impl Listen {
    /// Listens for one more service.
    pub(crate) async fn bind(&mut self, service: &str) -> Result<TcpListener, String> {
        let Some(address) = self.next else {
            return Err(format!(
                "no port is left for {service}: let the first service have a lower one with --listen"
            ));
        };
        let listener = TcpListener::bind(address).await.map_err(|error| {
            format!("cannot listen on {address} for {service}: {error}; choose another address with --listen")
        })?;
        if address.port() != 0 {
            self.next = address
                .port()
                .checked_add(1)
                .map(|port| SocketAddr::new(address.ip(), port));
        }
        Ok(listener)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_the_forms_that_people_write() {
        let next = |text: &str| parse(text).map(|it| it.next.unwrap().to_string());
        assert_eq!(next("0.0.0.0:80").unwrap(), "0.0.0.0:80");
        assert_eq!(next("localhost:3000").unwrap(), "127.0.0.1:3000");
        assert_eq!(next("8080").unwrap(), "127.0.0.1:8080");
        assert_eq!(next("[::1]:0").unwrap(), "[::1]:0");
        for wrong in ["example.com:80", "127.0.0.1", "127.0.0.1:99999", ""] {
            assert!(next(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_named_and_the_next_service_takes_the_next() {
        let mut any = parse("127.0.0.1:0").unwrap();
        let taken = any.bind("a").await.unwrap();
        let other = any.bind("b").await.unwrap();
        assert_ne!(taken.local_addr().unwrap(), other.local_addr().unwrap());
        let address = taken.local_addr().unwrap().to_string();
        let error = parse(&address).unwrap().bind("c").await.unwrap_err();
        assert!(
            error.contains(&address) && error.contains("for c") && error.contains("--listen"),
            "{error}"
        );
        let mut last = Listen { next: None };
        assert!(last.bind("d").await.unwrap_err().contains("no port is left"));
    }
}
