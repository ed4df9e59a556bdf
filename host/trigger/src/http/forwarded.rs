//! What proxies say of a request: who sent it, by which scheme, to which host (RFC 7239, and the headers that came before it). Trusted ones
//! are believed; what anybody else says is dropped. Pure.
//!
//! The first address in `x-forwarded-for` is the client's, always. It is the first one, counted from our end, that is no trusted proxy's:
//! whatever is further away, that client may have made up.

use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use http::uri::Scheme;
use shoal_network::Net;
use std::net::{IpAddr, SocketAddr};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// What the headers of proxies begin with that are in no standard.
const PREFIX: &str = "x-forwarded-";
const REAL_IP: &str = "x-real-ip";
/// An address that a proxy doesn't tell (RFC 7239 section 6.2).
const UNKNOWN: &str = "unknown";

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    address: IpAddr,
    /// The address as a header has it.
    text: HeaderValue,
}

/// Proxies that are believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<Net>);

/// The client sent the request by TLS, to a proxy. An extension of the request; most have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CameByTls;

/// Which headers a request has that concern its way here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Some that proxies write.
    forwarded: bool,
    /// The wish to change the protocol.
    pub(super) upgrade: bool,
}

/// What proxies say, cut where it may be made up.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    addresses: Vec<String>,
    proto: Option<String>,
    host: Option<String>,
}

impl Peer {
    /// The peer at an address.
    pub fn new(address: IpAddr) -> Self {
        let address = address.to_canonical();
        // An address is letters, digits, colons and dots, so this can't fail.
        let text = HeaderValue::try_from(address.to_string());
        Self {
            address,
            text: text.unwrap_or_else(|_| HeaderValue::from_static(UNKNOWN)),
        }
    }
}

impl Found {
    /// Looks at each name once.
    pub(super) fn in_headers(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for name in headers.keys() {
            found.forwarded |= is_forwarding(name);
            found.upgrade |= *name == UPGRADE;
        }
        found
    }
}

fn is_forwarding(name: &HeaderName) -> bool {
    *name == FORWARDED || name.as_str().starts_with(PREFIX) || name.as_str() == REAL_IP
}

impl Proxies {
    /// Addresses and ranges. What is neither, which the schema refuses, is trusted by nobody.
    pub fn new<'a>(ranges: impl IntoIterator<Item = &'a str>) -> Self {
        Self(ranges.into_iter().filter_map(Net::parse).collect())
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(address))
    }

    /// Leaves in the headers of a request what is true, as far as its peer can be trusted. `scheme` is that of its target.
    pub(super) fn apply(
        &self,
        headers: &mut HeaderMap,
        found: Found,
        peer: &Peer,
        scheme: Option<&Scheme>,
    ) -> Option<CameByTls> {
        let trusted = self.trusts(peer.address);
        let said = match trusted && found.forwarded {
            true => self.said(headers),
            false => Said::default(),
        };
        if found.forwarded {
            let dropped = |name: &HeaderName| {
                is_forwarding(name) && (!trusted || [FOR, PROTO, HOST, FORWARDED].contains(name))
            };
            let dropped: Vec<_> = headers.keys().filter(|it| dropped(it)).cloned().collect();
            for name in dropped {
                headers.remove(name);
            }
        }
        headers.insert(FOR, chain(&said.addresses, peer));
        if let Some(host) = said.host.and_then(|it| HeaderValue::try_from(it).ok()) {
            headers.insert(HOST, host);
        }
        let tls = match said.proto.as_deref() {
            Some("https") => true,
            Some(_) => false,
            None => trusted && scheme == Some(&Scheme::HTTPS),
        };
        if said.proto.is_some() || tls {
            let proto = HeaderValue::from_static(if tls { "https" } else { "http" });
            headers.insert(PROTO, proto);
        }
        tls.then_some(CameByTls)
    }

    /// What the headers of a request say, whose peer is trusted. `forwarded` counts where there is no `x-forwarded-for`.
    fn said(&self, headers: &HeaderMap) -> Said {
        let list = |name: HeaderName| {
            let values = headers.get_all(name).iter();
            values
                .filter_map(|it| it.to_str().ok())
                .collect::<Vec<_>>()
                .join(",")
        };
        let proto = |it: String| {
            let it = it.to_ascii_lowercase();
            matches!(it.as_str(), "http" | "https").then_some(it)
        };
        if headers.contains_key(FOR) || !headers.contains_key(FORWARDED) {
            let addresses = split(&list(FOR), ',');
            let first = self.first(&addresses);
            // The nearest proxy's word, where each has added its own.
            let last = |name| split(&list(name), ',').pop();
            return Said {
                addresses: addresses.into_iter().skip(first).collect(),
                proto: last(PROTO).and_then(proto),
                host: last(HOST),
            };
        }
        let elements = split(&list(FORWARDED), ',');
        let of = |element: &String, name: &str| parameter(element, name);
        let addresses = elements
            .iter()
            .map(|it| of(it, "for").unwrap_or_else(|| UNKNOWN.to_owned()));
        let addresses: Vec<_> = addresses.collect();
        let first = self.first(&addresses);
        let client = elements.get(first);
        Said {
            addresses: addresses.into_iter().skip(first).collect(),
            proto: client.and_then(|it| of(it, "proto")).and_then(proto),
            host: client.and_then(|it| of(it, "host")),
        }
    }

    /// The place of the client among these addresses, the nearest of which is the last: the last that is no trusted proxy's.
    fn first(&self, addresses: &[String]) -> usize {
        let trusted = |it: &String| address(it).is_some_and(|it| self.trusts(it));
        addresses.iter().rposition(|it| !trusted(it)).unwrap_or(0)
    }
}

/// The addresses, as they are written in one header, and that of the peer as the last.
fn chain(addresses: &[String], peer: &Peer) -> HeaderValue {
    if addresses.is_empty() {
        return peer.text.clone();
    }
    let mut text = String::new();
    for it in addresses {
        match address(it) {
            Some(address) => text.push_str(&address.to_string()),
            None => text.push_str(UNKNOWN),
        }
        text.push_str(", ");
    }
    text.push_str(&peer.address.to_string());
    HeaderValue::try_from(text).unwrap_or_else(|_| peer.text.clone())
}

/// The address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` and `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    let found: IpAddr = bare.parse().ok().or_else(with_port)?;
    Some(found.to_canonical())
}

/// The parts of a list, but for separators within quotes (RFC 9110 section 5.6.4) and empty parts.
fn split(list: &str, separator: char) -> Vec<String> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = list.split(|it: char| {
        let separates = it == separator && !quoted;
        quoted ^= it == '"' && !escaped;
        escaped = quoted && it == '\\' && !escaped;
        separates
    });
    let parts = parts.map(|it| it.trim_matches([' ', '\t']));
    parts.filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

/// The value of a parameter in one element of `forwarded` (RFC 7239 section 4).
fn parameter(element: &str, name: &str) -> Option<String> {
    let value = split(element, ';').into_iter().find_map(|pair| {
        let (found, value) = pair.split_once('=')?;
        found.eq_ignore_ascii_case(name).then(|| value.to_owned())
    })?;
    let Some(quoted) = value.strip_prefix('"').and_then(|it| it.strip_suffix('"')) else {
        return Some(value);
    };
    let mut escaped = false;
    let plain = quoted.chars().filter(|it| {
        escaped = *it == '\\' && !escaped;
        !escaped
    });
    Some(plain.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Headers<'a> = &'a [(&'static str, &'a str)];

    /// What is left of headers that came from `peer`, in their order, where 10.0.0.0/8, 192.0.2.7 and fd00::/8 are trusted.
    fn left(peer: &str, sent: Headers<'_>) -> (Vec<String>, bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            let value = HeaderValue::from_str(value).expect("a value");
            headers.append(HeaderName::from_static(name), value);
        }
        let peer = Peer::new(peer.parse().expect("an address"));
        let proxies = Proxies::new(["10.0.0.0/8", "192.0.2.7", "fd00::/8", "nonsense"]);
        let found = Found::in_headers(&headers);
        let tls = proxies.apply(&mut headers, found, &peer, None).is_some();
        let text =
            |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().expect("text"));
        let mut left: Vec<_> = headers.iter().map(text).collect();
        left.sort();
        (left, tls)
    }

    #[test]
    fn nobody_is_believed_who_is_not_trusted() {
        let sent: Headers<'_> = &[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "bank.example"),
            ("x-forwarded-port", "443"),
            ("x-real-ip", "1.1.1.1"),
            ("forwarded", "for=1.1.1.1;proto=https"),
            ("accept", "x"),
        ];
        for (peer, text) in [
            ("203.0.113.9", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("2001:db8::1", "2001:db8::1"),
            ("192.0.2.8", "192.0.2.8"),
        ] {
            let expected = vec!["accept: x".to_owned(), format!("x-forwarded-for: {text}")];
            assert_eq!(left(peer, sent), (expected.clone(), false), "{peer}");
            assert_eq!(left(peer, &sent[7..]), (expected, false), "{peer}");
        }
    }

    #[test]
    fn the_client_is_the_nearest_that_is_no_trusted_proxy() {
        for (sent, kept) in [
            ("", "10.0.0.1"),
            ("203.0.113.9", "203.0.113.9, 10.0.0.1"),
            ("203.0.113.9, 192.0.2.7", "203.0.113.9, 192.0.2.7, 10.0.0.1"),
            // What stands before the client, it may have sent itself.
            (
                "1.1.1.1, 10.9.9.9,203.0.113.9 ,192.0.2.7",
                "203.0.113.9, 192.0.2.7, 10.0.0.1",
            ),
            ("10.2.2.2, 10.3.3.3", "10.2.2.2, 10.3.3.3, 10.0.0.1"),
            ("203.0.113.9:4711", "203.0.113.9, 10.0.0.1"),
            ("[2001:db8::1]:4711, fd00::1", "2001:db8::1, fd00::1, 10.0.0.1"),
            ("1.1.1.1, unknown, 10.3.3.3", "unknown, 10.3.3.3, 10.0.0.1"),
            ("\"><script>", "unknown, 10.0.0.1"),
        ] {
            let expected = format!("x-forwarded-for: {kept}");
            let got = left("10.0.0.1", &[("x-forwarded-for", sent)]).0;
            assert_eq!(got, [expected], "{sent}");
        }
        // In several headers it is one list.
        let both: Headers<'_> = &[
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-for", "10.4.4.4"),
        ];
        assert_eq!(
            left("10.0.0.1", both).0,
            ["x-forwarded-for: 203.0.113.9, 10.4.4.4, 10.0.0.1"]
        );
    }

    #[test]
    fn a_trusted_proxy_says_by_which_scheme_and_to_which_host() {
        let sent: Headers<'_> = &[
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-proto", "http, HTTPS"),
            ("x-forwarded-host", "shop.example"),
            ("x-forwarded-port", "443"),
        ];
        let expected = [
            "x-forwarded-for: 203.0.113.9, 10.0.0.1",
            "x-forwarded-host: shop.example",
            "x-forwarded-port: 443",
            "x-forwarded-proto: https",
        ];
        assert_eq!(
            left("10.0.0.1", sent),
            (expected.map(str::to_owned).to_vec(), true)
        );
        let odd = left("10.0.0.1", &[("x-forwarded-proto", "gopher")]);
        assert_eq!(odd, (vec!["x-forwarded-for: 10.0.0.1".to_owned()], false));
    }

    #[test]
    fn forwarded_is_read_where_it_stands_alone() {
        let forwarded = |text| left("10.0.0.1", &[("forwarded", text)]);
        let (got, tls) = forwarded(
            "for=1.1.1.1;proto=http, for=\"[2001:db8::1]:80\";Proto=https;host=\"shop.example\", for=192.0.2.7;proto=http",
        );
        let expected = [
            "x-forwarded-for: 2001:db8::1, 192.0.2.7, 10.0.0.1",
            "x-forwarded-host: shop.example",
            "x-forwarded-proto: https",
        ];
        assert_eq!(
            (got.as_slice(), tls),
            (expected.map(str::to_owned).as_slice(), true)
        );
        // A separator within quotes is none, and an element without an address is a client that nobody knows.
        assert_eq!(
            forwarded("for=\"a,b;c\\\"d\", by=x").0,
            ["x-forwarded-for: unknown, 10.0.0.1"]
        );
        assert_eq!(forwarded(",;=,\"").0, ["x-forwarded-for: unknown, 10.0.0.1"]);
        // Beside the older header it does not count.
        let both: Headers<'_> = &[("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(
            left("10.0.0.1", both).0,
            ["x-forwarded-for: 203.0.113.9, 10.0.0.1"]
        );
    }
}
