//! The Redis servers that a manifest names, as clients. One client serves all components that name the
//! same server in the same way and have the same dialer.

use crate::assembly::values::{Objects, sourced};
use crate::code::lock;
use async_trait::async_trait;
use shoal_api::Problem;
use shoal_api::redis::Server;
use shoal_capability::Dialer;
use shoal_redis::{Address, Client, Dial, Options};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};
use tokio::net::TcpStream;

/// Bytes of one value of a store, as of the other stores. Answers to those who send messages are short, so both may share a client.
pub(crate) const STORED: u64 = 1 << 20;

/// What tells one client from another: the dialer, the URL, the authorities, the size of values.
type Key = (usize, String, Option<Vec<u8>>, u64);

/// The clients of a process.
#[derive(Default)]
pub(crate) struct Clients {
    open: Mutex<HashMap<Key, Weak<Client>>>,
}

/// The servers that one component may name.
pub(crate) struct Servers<'a> {
    pub(crate) clients: &'a Clients,
    /// Resolves and connects.
    pub(crate) dialer: Arc<dyn Dialer>,
    /// What URLs and authorities are read from.
    pub(crate) objects: &'a Objects,
}

/// Connects with a component's dialer.
struct Through(Arc<dyn Dialer>);

#[async_trait]
impl Dial for Through {
    async fn dial(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let addresses = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => self.0.resolve(host).await?,
        };
        let mut error = io::Error::from(io::ErrorKind::NotFound);
        for address in addresses {
            match self.0.connect(SocketAddr::new(address, port)).await {
                Ok(stream) => return Ok(stream),
                Err(refused) => error = refused,
            }
        }
        Err(error)
    }
}

impl Servers<'_> {
    /// The client for a server, whose values have at most `value_limit` bytes. It connects when it is first used. `at` is the field that
    /// names the server.
    pub(crate) fn client(
        &self,
        server: Server<'_>,
        value_limit: u64,
        at: &str,
    ) -> Result<Arc<Client>, Problem> {
        let objects = self.objects;
        let (url, field) = match server.url {
            Some(url) => (url.to_owned(), format!("{at}.url")),
            None => {
                let field = format!("{at}.urlFrom");
                let found = sourced(server.url_from, &field, objects)?;
                // What is read from a file ends in a line break more often than not.
                let text = found.map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
                let text = text.ok_or_else(|| problem(&field, "there is no URL".to_owned()))?;
                (text, field)
            }
        };
        let address = Address::parse(&url).map_err(|error| problem(&field, format!("the URL {error}")))?;
        let field = format!("{at}.authoritiesFrom");
        let authorities = sourced(server.authorities_from, &field, objects)?.map(<[u8]>::to_vec);
        // A client keeps its dialer, so no other dialer has this address while the client is found by it.
        let dialer = Arc::as_ptr(&self.dialer).cast::<()>().addr();
        let key = (dialer, url, authorities.clone(), value_limit);
        let mut clients = lock(&self.clients.open);
        if let Some(client) = clients.get(&key).and_then(Weak::upgrade) {
            return Ok(client);
        }
        let options = Options {
            value_limit,
            answer_limit: value_limit.saturating_mul(2).max(16 << 20),
            authorities,
            dial: Arc::new(Through(Arc::clone(&self.dialer))),
            ..Options::default()
        };
        let client = Client::new(address, options).map_err(|error| problem(&field, error.to_string()))?;
        let client = Arc::new(client);
        clients.retain(|_, client| client.strong_count() > 0);
        clients.insert(key, Arc::downgrade(&client));
        Ok(client)
    }
}

fn problem(field: &str, message: String) -> Problem {
    Problem {
        source: None,
        field: field.to_owned(),
        message,
        hint: None,
    }
}
