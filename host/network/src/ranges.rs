//! Which addresses are public. Pure. After IANA's registries of special-purpose addresses (RFC 6890 and its successors).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// A host on the Internet.
    Public,
    /// This machine, its networks, or what only they can reach.
    Private,
    /// No single host, or one by accident only: Linux connects 0.0.0.0 to itself.
    Never,
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    base: IpAddr,
    prefix: u8,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Net {
    Net {
        base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        prefix,
    }
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Net {
    Net {
        base: IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)),
        prefix,
    }
}

const NEVER: [Net; 5] = [
    v4(0, 0, 0, 0, 8),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
    Net {
        base: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        prefix: 128,
    },
    v6(0xff00, 0, 0, 8),
];

const PRIVATE: [Net; 24] = [
    v4(10, 0, 0, 0, 8),
    // Carrier-grade NAT; some clouds have their metadata service here (100.100.100.200).
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    // Link-local, with the metadata service of most clouds (169.254.169.254).
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    Net {
        base: IpAddr::V6(Ipv6Addr::LOCALHOST),
        prefix: 128,
    },
    // IPv4-compatible addresses, deprecated: no system agrees with another on what they reach.
    Net {
        base: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        prefix: 96,
    },
    v6(0x64, 0xff9b, 1, 48),
    v6(0x100, 0, 0, 64),
    // Teredo hides an IPv4 address in every IPv6 address, and nobody needs it any more.
    v6(0x2001, 0, 0, 32),
    v6(0x2001, 0x2, 0, 48),
    v6(0x2001, 0xdb8, 0, 32),
    v6(0x3fff, 0, 0, 20),
    v6(0x5f00, 0, 0, 16),
    v6(0xfc00, 0, 0, 7),
    v6(0xfe80, 0, 0, 10),
    v6(0xfec0, 0, 0, 10),
];

/// The class of an address. An IPv6 address that leads to an IPv4 address (mapped, NAT64, 6to4) is of the latter's class.
pub(crate) fn class(ip: IpAddr) -> Class {
    let ip = ip.to_canonical();
    if let IpAddr::V6(ip) = ip
        && let Some(inner) = embedded(ip)
    {
        return class(IpAddr::V4(inner));
    }
    if NEVER.iter().any(|net| net.contains(ip)) {
        Class::Never
    } else if PRIVATE.iter().any(|net| net.contains(ip)) {
        Class::Private
    } else {
        Class::Public
    }
}

fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match (a, b) {
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => Some(join(g, h)),
        (0x2002, _) => Some(join(b, c)),
        _ => None,
    }
}

impl Net {
    /// Reads `192.0.2.1`, `10.0.0.0/8`, `2001:db8::1` or `fd00::/8`.
    pub fn parse(text: &str) -> Option<Self> {
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) if !prefix.starts_with('+') => (base, Some(prefix.parse().ok()?)),
            Some(_) => return None,
            None => (text, None),
        };
        let base: IpAddr = base.parse().ok()?;
        let bits: u8 = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        // ::ffff:10.0.0.0/104 is 10.0.0.0/8, for that is what its addresses are compared as.
        match base.to_canonical() {
            IpAddr::V4(v4) if base.is_ipv6() => Some(Self {
                base: IpAddr::V4(v4),
                prefix: prefix.checked_sub(96).filter(|prefix| *prefix <= 32)?,
            }),
            _ => (prefix <= bits).then_some(Self { base, prefix }),
        }
    }

    /// Whether it holds an address. One of IPv4 that is mapped to IPv6 counts as what it is.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.base, ip.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                (u32::from(base) ^ u32::from(ip)) & mask == 0
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                (u128::from(base) ^ u128::from(ip)) & mask == 0
            }
            _ => false,
        }
    }

    /// Whether whoever wrote this range meant private addresses: `10.0.0.0/8` and `10.1.2.3` do, `0.0.0.0/0` does not.
    pub(crate) fn is_private(&self) -> bool {
        let single = self.prefix == if self.base.is_ipv4() { 32 } else { 128 };
        single
            || PRIVATE
                .iter()
                .any(|private| private.prefix <= self.prefix && private.contains(self.base))
    }

    /// Whether no address in the range can be connected to.
    pub(crate) fn is_never(&self) -> bool {
        NEVER
            .iter()
            .any(|never| never.prefix <= self.prefix && never.contains(self.base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_of(ip: &str) -> Class {
        class(ip.parse().expect(ip))
    }

    #[test]
    fn special_addresses_are_known() {
        let private = [
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "169.254.0.1",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.0.1",
            "192.168.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "2001:db8::1",
            "2001::1",
            "100::1",
            "64:ff9b:1::1",
            "::7f00:1",
        ];
        for ip in private {
            assert_eq!(class_of(ip), Class::Private, "{ip}");
        }
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "ff02::1",
            "ff0e::1",
        ] {
            assert_eq!(class_of(ip), Class::Never, "{ip}");
        }
        let public = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2400::1",
            "fbff::1",
            "64:ff9b::101:101",
        ];
        for ip in public {
            assert_eq!(class_of(ip), Class::Public, "{ip}");
        }
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_address_is_seen() {
        for ip in [
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
            "2002:a00:1::1",
        ] {
            assert_eq!(class_of(ip), Class::Private, "{ip}");
        }
        for ip in [
            "::ffff:0.0.0.0",
            "::ffff:224.0.0.1",
            "64:ff9b::",
            "2002::1",
            "64:ff9b::255.255.255.255",
        ] {
            assert_eq!(class_of(ip), Class::Never, "{ip}");
        }
        assert_eq!(class_of("::ffff:1.1.1.1"), Class::Public);
        assert_eq!(class_of("2002:101:101::1"), Class::Public);
    }

    #[test]
    fn ranges_are_read_and_compared() {
        let contains = |net: &str, ip: &str| Net::parse(net).expect(net).contains(ip.parse().expect(ip));
        assert!(contains("10.0.0.0/8", "10.200.1.1"));
        assert!(contains("10.0.0.0/8", "::ffff:10.200.1.1"));
        assert!(contains("::ffff:10.0.0.0/104", "10.200.1.1"));
        assert!(contains("0.0.0.0/0", "255.1.1.1"));
        assert!(contains("::/0", "fd00::1"));
        assert!(contains("192.0.2.1", "192.0.2.1"));
        assert!(contains("192.0.2.7/30", "192.0.2.4"));
        assert!(!contains("192.0.2.1", "192.0.2.2"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(!contains("::/0", "1.1.1.1"));
        assert!(!contains("0.0.0.0/0", "::1"));
        for bad in [
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "/8",
            "::ffff:10.0.0.0/95",
            "x",
            "",
        ] {
            assert_eq!(Net::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_a_range_inside_a_private_one_names_it() {
        for net in [
            "10.0.0.0/8",
            "10.1.0.0/16",
            "127.0.0.1",
            "169.254.169.254/32",
            "fd00::/8",
            "fc00::/7",
            "::1",
            "8.8.8.8",
        ] {
            assert!(Net::parse(net).expect(net).is_private(), "{net}");
        }
        for net in ["0.0.0.0/0", "10.0.0.0/7", "8.0.0.0/5", "::/0", "f000::/4"] {
            assert!(!Net::parse(net).expect(net).is_private(), "{net}");
        }
        assert!(Net::parse("224.0.0.0/4").expect("a net").is_never());
        assert!(Net::parse("0.0.0.0").expect("a net").is_never());
        assert!(!Net::parse("0.0.0.0/0").expect("a net").is_never());
    }
}
