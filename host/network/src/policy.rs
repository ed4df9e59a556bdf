//! Whether a component may connect somewhere. Pure: a name, an address, a port and a protocol in, verdict out.

use crate::ranges::{self, Class};
use crate::{HostName, HostPattern};
use shoal_api::{NetworkGrant, OutboundRule, Ports, Protocol};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The rules of one component, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    host: HostPattern,
    ports: Vec<Ports>,
    protocols: Vec<Protocol>,
    allow_private: bool,
}

/// Why a connection or a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No rule of the manifest covers it.
    #[error("{target} is not granted; to grant it: capabilities.network: {{outbound: [{grant}]}}")]
    NotGranted {
        /// What was asked for.
        target: String,
        /// The rule that would cover it.
        grant: String,
    },
    /// A rule covers its name, which leads into a private network.
    #[error(
        "{target} is a private address; to grant it, name it under capabilities.network.outbound, or set allowPrivate: true in the \
         rule for the name"
    )]
    Private {
        /// What was asked for.
        target: String,
    },
    /// A broadcast, a multicast, or nothing at all.
    #[error("{target} is no address of a single host, so nothing grants it")]
    Never {
        /// What was asked for.
        target: String,
    },
    /// No rule of the manifest has anything of this protocol.
    #[error(
        "{protocol} is not granted to any address; to grant it: capabilities.network: {{outbound: [{{host: HOST, ports: [PORT], \
         protocols: [{protocol}]}}]}}"
    )]
    Protocol {
        /// Its name.
        protocol: &'static str,
    },
    /// A socket is bound to an address or a port of the component's choice.
    #[error("binding to {address} is refused: no grant lets a component choose its own address or port")]
    Bind {
        /// What was asked for.
        address: SocketAddr,
    },
    /// A socket is to take connections.
    #[error(
        "listening on {address} is refused: no grant lets a component take connections; to answer HTTP requests, export \
         wasi:http's handler and give the service an http trigger"
    )]
    Listen {
        /// What was asked for.
        address: SocketAddr,
    },
    /// What a resolver might take for an address, or for nothing.
    #[error("{name:?} is not a host name")]
    NoName {
        /// What was asked for.
        name: String,
    },
}

/// A rule that can't be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("capabilities.network.outbound[{index}].{field}: {value:?} {problem}")]
pub struct RuleError {
    /// The rule's place in the list.
    pub index: usize,
    /// The field of the rule.
    pub field: &'static str,
    /// What it says.
    pub value: String,
    /// What is wrong with that.
    pub problem: &'static str,
}

/// A port and a protocol; none where only the address is asked about.
pub type Service = Option<(u16, Protocol)>;

impl Policy {
    /// Reads the rules of a manifest.
    ///
    /// # Errors
    ///
    /// Where a host is none of a name, `*.name`, `*`, an address and a range, or a range of ports has none.
    pub fn new(grant: &NetworkGrant) -> Result<Self, RuleError> {
        let rules = grant
            .outbound
            .iter()
            .enumerate()
            .map(|(index, rule)| Rule::new(index, rule));
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
        })
    }

    /// Whether anything at all may be reached by this protocol.
    pub fn grants(&self, protocol: Protocol) -> bool {
        self.rules.iter().any(|rule| rule.protocols.contains(&protocol))
    }

    /// Whether a socket of this protocol would be of any use. Asked before one is made, when no address is known yet.
    ///
    /// # Errors
    ///
    /// The reason, with a rule that would grant it.
    pub fn socket(&self, protocol: Protocol) -> Result<(), Refusal> {
        if self.grants(protocol) {
            return Ok(());
        }
        Err(Refusal::Protocol {
            protocol: text(protocol),
        })
    }

    /// Whether a name may be resolved, for this service if there is one in view. Asked before the name goes to a resolver, for the
    /// question alone would tell something to whoever runs the name's zone.
    ///
    /// # Errors
    ///
    /// The reason, with the rule that would grant it.
    pub fn resolve(&self, name: &HostName, service: Service) -> Result<(), Refusal> {
        if self
            .rules
            .iter()
            .any(|rule| rule.serves(service) && rule.host.is_named(name))
        {
            return Ok(());
        }
        Err(not_granted(name, service))
    }

    /// Whether the component may learn that a name has this address.
    ///
    /// # Errors
    ///
    /// The reason, with the rule that would grant it.
    pub fn answer(&self, name: &HostName, ip: IpAddr) -> Result<(), Refusal> {
        self.judge(std::slice::from_ref(name), ip, None)
    }

    /// Whether the component may use an address that the names were resolved to, for this service if there is one in view.
    ///
    /// # Errors
    ///
    /// The reason, with the rule that would grant it.
    pub fn connect(&self, names: &[HostName], ip: IpAddr, service: Service) -> Result<(), Refusal> {
        self.judge(names, ip, service)
    }

    fn judge(&self, names: &[HostName], ip: IpAddr, service: Service) -> Result<(), Refusal> {
        let ip = ip.to_canonical();
        let class = ranges::class(ip);
        if class == Class::Never {
            return Err(Refusal::Never {
                target: target(ip, service),
            });
        }
        let mut matched = false;
        for rule in self.rules.iter().filter(|rule| rule.serves(service)) {
            let Some(named_private) = rule.host.covers(names, ip) else {
                continue;
            };
            if class == Class::Public || named_private || rule.allow_private {
                return Ok(());
            }
            matched = true;
        }
        if matched {
            return Err(Refusal::Private {
                target: target(ip, service),
            });
        }
        Err(match names.first() {
            Some(name) => not_granted(name, service),
            None => not_granted(&ip, service),
        })
    }
}

fn target(host: impl fmt::Display, service: Service) -> String {
    match service {
        Some((port, protocol)) => format!("{host} port {port} ({})", text(protocol)),
        None => host.to_string(),
    }
}

fn text(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
    }
}

fn not_granted(host: &impl fmt::Display, service: Service) -> Refusal {
    let host = host.to_string();
    // YAML would take `::1` for a mapping.
    let quoted = if host.contains(':') {
        format!("\"{host}\"")
    } else {
        host.clone()
    };
    let grant = match service {
        Some((port, Protocol::Tcp)) => format!("{{host: {quoted}, ports: [{port}]}}"),
        Some((port, Protocol::Udp)) => format!("{{host: {quoted}, ports: [{port}], protocols: [UDP]}}"),
        None => format!("{{host: {quoted}, ports: [PORT]}}"),
    };
    Refusal::NotGranted {
        target: target(host, service),
        grant,
    }
}

impl Rule {
    fn new(index: usize, rule: &OutboundRule) -> Result<Self, RuleError> {
        let OutboundRule {
            host,
            ports,
            protocols,
            allow_private,
        } = rule;
        let wrong = |field, value, problem| RuleError {
            index,
            field,
            value,
            problem,
        };
        if let Some(none) = ports.iter().find(|it| it.is_empty()) {
            return Err(wrong(
                "ports",
                none.to_string(),
                "begins above its end, so it has no port",
            ));
        }
        let parsed = HostPattern::parse(host).map_err(|problem| wrong("host", host.clone(), problem))?;
        Ok(Self {
            host: parsed,
            ports: ports.clone(),
            protocols: protocols.clone(),
            allow_private: *allow_private,
        })
    }

    fn serves(&self, service: Service) -> bool {
        service.is_none_or(|(port, protocol)| {
            self.ports.iter().any(|it| it.contains(port)) && self.protocols.contains(&protocol)
        })
    }
}

#[cfg(test)]
mod tests;
