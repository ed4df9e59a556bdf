//! The Redis servers that a service names, and what a URL says: servers, how they belong together, who we are.
//!
//! ```text
//! redis://[user:password@]host[:6379][/database]
//! redis-sentinel://[user:password@]host[:26379][,host[:26379]…]/master[/database][?sentinelUser=…&sentinelPassword=…]
//! redis-cluster://[user:password@]host[:6379][,host[:6379]…]
//! ```
//!
//! `rediss://`, `rediss-sentinel://` and `rediss-cluster://` are the same over TLS. Names, passwords and so on are percent-encoded.

use percent_encoding::percent_decode_str;
use std::collections::BTreeSet;
use std::fmt;

use crate::{
    Component, OutboundRule, Ports, Protocol, RedisChannel, RedisStore, RedisTrigger, ValueSource,
    WasmServiceSpec,
};

/// The port of a Redis that says no other.
const PORT: u16 = 6379;
/// The port of a sentinel that says no other.
const SENTINEL_PORT: u16 = 26379;

/// A Redis, as a manifest names it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Server<'a> {
    /// Its URL.
    pub url: Option<&'a str>,
    /// Where its URL is read from.
    pub url_from: Option<&'a ValueSource>,
    /// Where the certificate authorities are read from.
    pub authorities_from: Option<&'a ValueSource>,
}

macro_rules! servers {
    ($($named:ident)*) => {$(
        impl<'a> From<&'a $named> for Server<'a> {
            fn from(named: &'a $named) -> Self {
                Self {
                    url: named.url.as_deref(),
                    url_from: named.url_from.as_ref(),
                    authorities_from: named.authorities_from.as_ref(),
                }
            }
        }
    )*};
}

servers!(RedisChannel RedisStore RedisTrigger);

/// The servers that a component's channels and stores are on, and those whose messages call it.
pub fn servers<'a>(component: &'a Component, spec: &'a WasmServiceSpec) -> Vec<Server<'a>> {
    let capabilities = &component.capabilities;
    let channels = capabilities.messaging.iter().map(|it| Server::from(&it.redis));
    let stores = spec.stores.iter().filter(|it| capabilities.has_store(&it.name));
    let stores = stores.filter_map(|it| it.redis.as_ref()).map(Server::from);
    let triggers = spec.triggers.iter().filter(|it| it.component == component.name);
    let triggers = triggers.filter_map(|it| it.redis.as_ref()).map(Server::from);
    channels.chain(stores).chain(triggers).collect()
}

/// How servers belong together.
#[derive(Clone, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Single,
    /// Sentinels, which know the master of this name.
    Sentinel {
        /// The name that the sentinels monitor it by.
        master: String,
        /// Who we are to the sentinels.
        user: Option<String>,
        /// Our password there.
        password: Option<String>,
    },
    /// Some nodes of a cluster, which know the others.
    Cluster,
}

/// Where a Redis is.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// The servers that the URL names.
    pub hosts: Vec<(String, u16)>,
    /// What they are.
    pub topology: Topology,
    /// Whether connections are encrypted, and servers have to prove who they are.
    pub tls: bool,
    /// The ACL user.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// The number of the database.
    pub database: u32,
}

/// What is wrong with a URL. Without the URL itself: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error(
        "begins with none of redis://, redis-sentinel:// and redis-cluster:// (rediss:// and so on for TLS)"
    )]
    Scheme,
    /// No host, or one that is no host.
    #[error(
        "names no host, or one that can't be read: write host or host:port, an address of IPv6 in brackets"
    )]
    Host,
    /// Several hosts where one is meant.
    #[error("names several hosts: redis-sentinel:// and redis-cluster:// take them")]
    Several,
    /// The path is no database.
    #[error("ends in what is no number of a database")]
    Database,
    /// A cluster has one database.
    #[error("names a database, of which a cluster has but one")]
    ClusterDatabase,
    /// No master's name.
    #[error("does not name the master that the sentinels monitor: redis-sentinel://host:26379/NAME")]
    Master,
    /// An unknown parameter.
    #[error("holds a parameter that is not known: sentinelUser and sentinelPassword are")]
    Parameter,
    /// Bytes that are no text.
    #[error("holds percent-encoded bytes that are not UTF-8")]
    Encoding,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// Where it is none of the forms above.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme)?;
        let (tls, kind) = match scheme {
            "redis" | "redis-sentinel" | "redis-cluster" => (false, scheme.strip_prefix("redis")),
            "rediss" | "rediss-sentinel" | "rediss-cluster" => (true, scheme.strip_prefix("rediss")),
            _ => return Err(UrlError::Scheme),
        };
        let kind = kind.unwrap_or_default();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let port = if kind == "-sentinel" { SENTINEL_PORT } else { PORT };
        let hosts = hosts
            .split(',')
            .map(|text| host(text, port).ok_or(UrlError::Host))
            .collect::<Result<Vec<_>, _>>()?;
        let mut path = path.split('/').filter(|part| !part.is_empty());
        let mut address = Self {
            topology: Topology::Single,
            hosts,
            tls,
            user: text(user)?,
            password: text(password)?,
            database: 0,
        };
        match kind {
            "-sentinel" => {
                let master = path
                    .next()
                    .map(text)
                    .transpose()?
                    .flatten()
                    .ok_or(UrlError::Master)?;
                let (mut user, mut password) = (None, None);
                for parameter in query.split('&').filter(|it| !it.is_empty()) {
                    match parameter.split_once('=') {
                        Some(("sentinelUser", value)) => user = text(value)?,
                        Some(("sentinelPassword", value)) => password = text(value)?,
                        _ => return Err(UrlError::Parameter),
                    }
                }
                address.topology = Topology::Sentinel {
                    master,
                    user,
                    password,
                };
            }
            _ if !query.is_empty() => return Err(UrlError::Parameter),
            "-cluster" => {
                address.topology = Topology::Cluster;
                if path.next().is_some_and(|database| database != "0") {
                    return Err(UrlError::ClusterDatabase);
                }
            }
            _ if address.hosts.len() > 1 => return Err(UrlError::Several),
            _ => {}
        }
        if let Some(database) = path.next() {
            address.database = database.parse().map_err(|_| UrlError::Database)?;
        }
        match path.next() {
            Some(_) => Err(UrlError::Database),
            None => Ok(address),
        }
    }

    /// Where whoever uses it connects to, as rules for its network. Masters behind sentinels and the nodes of a cluster may be at any
    /// address, for nobody knows before where they are; their ports are those of the URL, or 6379.
    pub fn outbound(&self) -> Vec<OutboundRule> {
        let rule = |host: &str, ports: Vec<u16>| OutboundRule {
            host: host.to_owned(),
            ports: ports.into_iter().map(Ports::one).collect(),
            protocols: vec![Protocol::Tcp],
            allow_private: true,
        };
        let mut rules: Vec<_> = self
            .hosts
            .iter()
            .map(|(host, port)| rule(host, vec![*port]))
            .collect();
        if self.topology != Topology::Single {
            let ports: BTreeSet<_> = self.hosts.iter().map(|(_, port)| *port).chain([PORT]).collect();
            rules.extend(["0.0.0.0/0", "::/0"].map(|all| rule(all, ports.iter().copied().collect())));
        }
        rules
    }
}

/// A host and its port; an address of IPv6 stands in brackets, which are left out.
fn host(text: &str, port: u16) -> Option<(String, u16)> {
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, port),
        Some((address, rest)) => (address, rest.strip_prefix(':')?.parse().ok()?),
        None => match text.split_once(':') {
            Some((name, port)) => (name, port.parse().ok()?),
            None => (text, port),
        },
    };
    let good = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    (!name.is_empty() && name.chars().all(good)).then(|| (name.to_owned(), port))
}

/// Text with its percent-encoded bytes decoded; none where it is empty.
fn text(encoded: &str) -> Result<Option<String>, UrlError> {
    if encoded.is_empty() {
        return Ok(None);
    }
    let decoded = percent_decode_str(encoded).decode_utf8();
    decoded
        .map(|text| Some(text.into_owned()))
        .map_err(|_| UrlError::Encoding)
}

impl fmt::Debug for Address {
    /// Without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("hosts", &self.hosts)
            .field("topology", &self.topology)
            .field("tls", &self.tls)
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single => f.write_str("Single"),
            Self::Sentinel { master, .. } => write!(f, "Sentinel({master})"),
            Self::Cluster => f.write_str("Cluster"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(names: &[(&str, u16)]) -> Vec<(String, u16)> {
        names
            .iter()
            .map(|(name, port)| ((*name).to_owned(), *port))
            .collect()
    }

    #[test]
    fn one_server() {
        let address = Address::parse("rediss://app:p%40ss%2F@cache.example:7000/3").expect("a URL");
        assert_eq!(address.hosts, hosts(&[("cache.example", 7000)]));
        assert_eq!(
            (address.user.as_deref(), address.password.as_deref()),
            (Some("app"), Some("p@ss/"))
        );
        assert_eq!((address.tls, address.database), (true, 3));
        let address = Address::parse("redis://:secret@[::1]").expect("a URL");
        assert_eq!(address.hosts, hosts(&[("::1", 6379)]));
        assert_eq!(
            (address.user.as_deref(), address.password.as_deref()),
            (None, Some("secret"))
        );
        assert!(!format!("{address:?}").contains("secret"));
    }

    #[test]
    fn sentinels_and_the_name_of_their_master() {
        let url = "redis-sentinel://u:p@a,b:26380/mymaster/2?sentinelUser=s&sentinelPassword=x%20y";
        let address = Address::parse(url).expect("a URL");
        assert_eq!(address.hosts, hosts(&[("a", 26379), ("b", 26380)]));
        assert_eq!(address.database, 2);
        let Topology::Sentinel {
            master,
            user,
            password,
        } = address.topology
        else {
            panic!("sentinels")
        };
        assert_eq!(master, "mymaster");
        assert_eq!((user.as_deref(), password.as_deref()), (Some("s"), Some("x y")));
    }

    #[test]
    fn a_cluster() {
        let address = Address::parse("redis-cluster://a:7001,b:7002").expect("a URL");
        assert_eq!(address.hosts, hosts(&[("a", 7001), ("b", 7002)]));
        assert!(address.topology == Topology::Cluster);
    }

    #[test]
    fn connections_go_to_the_hosts_and_to_what_they_lead_to() {
        let rules = |url: &str| -> Vec<(String, Vec<u16>)> {
            let rules = Address::parse(url).expect("a URL").outbound();
            let ports = |rule: &OutboundRule| rule.ports.iter().map(|it| it.first).collect();
            rules
                .into_iter()
                .map(|rule| (rule.host.clone(), ports(&rule)))
                .collect()
        };
        assert_eq!(rules("redis://cache:7000"), [("cache".to_owned(), vec![7000])]);
        let found = rules("redis-sentinel://a,10.0.0.1/m");
        assert_eq!(found[1], ("10.0.0.1".to_owned(), vec![26379]));
        assert_eq!(found[2], ("0.0.0.0/0".to_owned(), vec![6379, 26379]));
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        let wrong = [
            ("http://a", UrlError::Scheme),
            ("a:6379", UrlError::Scheme),
            ("redis://", UrlError::Host),
            ("redis://:secret@", UrlError::Host),
            ("redis://a:port", UrlError::Host),
            ("redis://a b", UrlError::Host),
            ("redis://a,b", UrlError::Several),
            ("redis://a/x", UrlError::Database),
            ("redis://a/1/2", UrlError::Database),
            ("redis://a?db=1", UrlError::Parameter),
            ("redis-cluster://a/1", UrlError::ClusterDatabase),
            ("redis-sentinel://a", UrlError::Master),
            ("redis-sentinel://a/m?x=1", UrlError::Parameter),
            ("redis://%ff:x@a", UrlError::Encoding),
        ];
        for (url, error) in wrong {
            assert_eq!(Address::parse(url), Err(error), "{url}");
        }
    }
}
