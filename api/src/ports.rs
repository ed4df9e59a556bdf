//! `Ports`: one port, or all ports of a range.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A port (`443`), or all ports from one to another (`8000-8999`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last, itself included. Where it is below the first, no port is meant, and whoever asks for it is refused.
    pub last: u16,
}

/// Why a text is no [`Ports`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no port: write a number from 1 to 65535, or a range such as 8000-8999")]
pub struct PortsError(String);

impl Ports {
    /// What the schema asks of a text; a number has bounds of its own. Keep in step with [`FromStr`]. That the first is not above the
    /// last no pattern can say.
    pub const PATTERN: &'static str = "^([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])-([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$";
    /// The longest text the schema accepts, in characters.
    pub const MAX_LENGTH: u32 = 11;

    /// One port.
    pub const fn one(port: u16) -> Self {
        Self {
            first: port,
            last: port,
        }
    }

    /// Whether a port is among them.
    pub const fn contains(&self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// Whether there is no port among them.
    pub const fn is_empty(&self) -> bool {
        self.first > self.last
    }
}

impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        Self::one(port)
    }
}

impl FromStr for Ports {
    type Err = PortsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || PortsError(text.chars().take(64).collect());
        let port = |text: &str| -> Result<u16, PortsError> {
            let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            let port = text.parse().ok().filter(|port: &u16| digits && *port > 0);
            port.ok_or_else(wrong)
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Ok(Self {
            first: port(first)?,
            last: port(last)?,
        })
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl Serialize for Ports {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.first == self.last {
            return serializer.serialize_u16(self.first);
        }
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u16),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(port) => Ok(Self::one(port)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

impl schemars::JsonSchema for Ports {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ports".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "x-kubernetes-int-or-string": true,
            "minimum": 1,
            "maximum": u16::MAX,
            "pattern": Self::PATTERN,
            "maxLength": Self::MAX_LENGTH,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_several_are_read_and_written() {
        for (json, first, last) in [
            ("443", 443, 443),
            ("\"8000-8999\"", 8000, 8999),
            ("\"1-65535\"", 1, 65535),
        ] {
            let ports: Ports = serde_json::from_str(json).unwrap();
            assert_eq!((ports.first, ports.last), (first, last));
            assert_eq!(serde_json::to_string(&ports).unwrap(), json);
            assert!(ports.contains(first) && ports.contains(last) && !ports.contains(first - 1));
        }
        assert_eq!("80".parse(), Ok(Ports::one(80)));
        let none: Ports = "9-8".parse().unwrap();
        assert!(none.is_empty() && !none.contains(8) && !none.contains(9));
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for text in [
            "", "0", "-", "1-", "-1", "1-2-3", "65536", "1-65536", "+1", "http", "1 - 2",
        ] {
            assert_eq!(
                text.parse::<Ports>(),
                Err(PortsError(text.to_owned())),
                "{text:?}"
            );
        }
    }
}
