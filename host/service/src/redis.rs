//! The Redis servers that a manifest names, as clients. One client serves all who name the same server in the same way.

use crate::machine::lock;
use crate::values::{Objects, sourced};
use shoal_api::{Problem, RedisChannel, RedisStore, RedisTrigger, ValueSource};
use shoal_redis::{Address, Client, Options};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

/// Where a Redis is, as the manifest has it.
pub(crate) struct Server<'a> {
    url: Option<&'a str>,
    url_from: Option<&'a ValueSource>,
    authorities_from: Option<&'a ValueSource>,
    /// Bytes of one value.
    value_limit: u64,
}

/// Bytes of one value of a store, as of the other stores.
const STORED: u64 = 1 << 20;

impl<'a> Server<'a> {
    pub(crate) fn of_store(store: &'a RedisStore) -> Self {
        Self {
            url: store.url.as_deref(),
            url_from: store.url_from.as_ref(),
            authorities_from: store.authorities_from.as_ref(),
            value_limit: STORED,
        }
    }

    /// Its answers are short, so it may be the client of a store.
    pub(crate) fn of_channel(channel: &'a RedisChannel) -> Self {
        Self {
            url: channel.url.as_deref(),
            url_from: channel.url_from.as_ref(),
            authorities_from: channel.authorities_from.as_ref(),
            value_limit: STORED,
        }
    }

    /// `limit` is the most that the payload of a message may have.
    pub(crate) fn of_trigger(trigger: &'a RedisTrigger, limit: u64) -> Self {
        Self {
            url: trigger.url.as_deref(),
            url_from: trigger.url_from.as_ref(),
            authorities_from: trigger.authorities_from.as_ref(),
            // Names of commands and channels have to pass too.
            value_limit: limit.max(1 << 10),
        }
    }
}

/// What tells one client from another.
type Key = (String, Option<Vec<u8>>, u64);

/// The clients of a process.
#[derive(Default)]
pub(crate) struct Clients(Mutex<HashMap<Key, Weak<Client>>>);

impl Clients {
    /// The client for a server. It connects when it is first used. `at` is the field that names the server.
    pub(crate) fn client(
        &self,
        server: &Server<'_>,
        at: &str,
        objects: &Objects,
    ) -> Result<Arc<Client>, Problem> {
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
        let key = (url, authorities.clone(), server.value_limit);
        let mut clients = lock(&self.0);
        if let Some(client) = clients.get(&key).and_then(Weak::upgrade) {
            return Ok(client);
        }
        let options = Options {
            value_limit: server.value_limit,
            answer_limit: server.value_limit.saturating_mul(2).max(16 << 20),
            authorities,
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
