//! Which hosts an entry of a manifest stands for.

use crate::HostName;
use crate::ranges::Net;
use std::net::IpAddr;

/// A name, all names below one, an address, a range, or any host.
#[derive(Clone, Debug)]
pub struct HostPattern(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Name(HostName),
    Below(HostName),
    Net(Net),
    Any,
}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Ok(Self(if text == "*" {
            Kind::Any
        } else if let Some(net) = Net::parse(text) {
            if net.is_never() {
                return Err("is no address of a single host, so nothing can be connected to");
            }
            Kind::Net(net)
        } else if let Some(parent) = text.strip_prefix("*.") {
            Kind::Below(HostName::parse(parent).ok_or("is not a host name after the *.")?)
        } else {
            Kind::Name(HostName::parse(text).ok_or(
                "is neither a host name, nor *.name, nor *, nor an IP address, nor a range such as 10.0.0.0/8",
            )?)
        }))
    }

    /// Whether it stands for a host, as a URL names it: a name or an address.
    pub fn matches(&self, host: &str) -> bool {
        match (host.parse::<IpAddr>(), HostName::parse(host)) {
            (Ok(ip), _) => self.covers(&[], ip.to_canonical()).is_some(),
            (_, Some(name)) => self.is_named(&name),
            _ => false,
        }
    }

    /// Whether it stands for a name.
    pub(crate) fn is_named(&self, name: &HostName) -> bool {
        match &self.0 {
            Kind::Name(own) => own == name,
            Kind::Below(parent) => name.is_below(parent),
            Kind::Net(_) => false,
            Kind::Any => true,
        }
    }

    /// Whether it stands for an address that the names were resolved to, and whether it spells it out as a private one.
    pub(crate) fn covers(&self, names: &[HostName], ip: IpAddr) -> Option<bool> {
        match &self.0 {
            Kind::Net(net) => net.contains(ip).then(|| net.is_private()),
            Kind::Any => Some(false),
            _ => names.iter().any(|name| self.is_named(name)).then_some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_urls_are_matched() {
        let table = [
            ("api.example.com", "API.example.com", true),
            ("api.example.com", "example.com", false),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*", "example.com", true),
            ("*", "10.0.0.1", true),
            ("*", "not a host", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("::1", "::1", true),
        ];
        for (pattern, host, matches) in table {
            let read = HostPattern::parse(pattern).expect(pattern);
            assert_eq!(read.matches(host), matches, "{pattern} {host}");
        }
        for wrong in ["", "**", "*.", "a b", "*.*", "224.0.0.1"] {
            assert!(HostPattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
