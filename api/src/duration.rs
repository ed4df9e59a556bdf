//! `Duration`: a length of time as a manifest writes it ("10s", "1m30s", "250ms"). No clocks.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A length of time. Written as decimal numbers with a unit each (`h`, `m`, `s`, `ms`, `us`), largest first or not:
/// `10s`, `1m30s`, `250ms`, `1.5s`. What is finer than a nanosecond is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(std::time::Duration);

/// Why a text is no [`Duration`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing was written, or a number without a unit, or a unit that does not exist.
    #[error(
        "{0:?} is no duration: write numbers with a unit (h, m, s, ms, us), such as \"10s\" or \"1m30s\""
    )]
    Syntax(String),
    /// The sum does not fit: more than about 292 years, which is where Kubernetes' own durations end.
    #[error("{0:?} is too long for a duration: the longest is 2562047h (292 years)")]
    TooLong(String),
}

/// The longest that fits in a signed 64-bit count of nanoseconds, as Go's `time.Duration` holds it.
const LONGEST_NANOS: u128 = i64::MAX as u128;

const UNITS: [(&str, u128); 5] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
];

impl Duration {
    /// What the schema asks of the text. Keep in step with [`FromStr`], which accepts exactly these texts.
    pub const PATTERN: &'static str = r"^([0-9]{1,9}(\.[0-9]{1,9})?(h|m|s|ms|us))+$";
    /// The longest text the schema accepts, in characters.
    pub const MAX_LENGTH: u32 = 64;

    /// From the standard library's type.
    pub const fn from_std(value: std::time::Duration) -> Self {
        Self(value)
    }

    /// Whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// Whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(std::time::Duration::from_millis(millis))
    }

    /// As the standard library's type.
    pub const fn as_std(&self) -> std::time::Duration {
        self.0
    }
}

impl From<std::time::Duration> for Duration {
    fn from(value: std::time::Duration) -> Self {
        Self(value)
    }
}

impl From<Duration> for std::time::Duration {
    fn from(value: Duration) -> Self {
        value.0
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let syntax = || DurationError::Syntax(text.chars().take(64).collect());
        let too_long = || DurationError::TooLong(text.chars().take(64).collect());
        if text.is_empty() || text.len() > Self::MAX_LENGTH as usize {
            return Err(syntax());
        }
        let mut nanos: u128 = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let (whole, after) = digits(rest).ok_or_else(syntax)?;
            let (fraction, after) = match after.strip_prefix('.') {
                Some(after) => digits(after).ok_or_else(syntax)?,
                None => ("0", after),
            };
            let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
            let (unit, after) = after.split_at(end);
            let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(syntax)?;
            let whole: u128 = whole.parse().map_err(|_| syntax())?;
            let tenths: u128 = fraction.parse().map_err(|_| syntax())?;
            // At most nine digits each, so nothing here comes near the end of a u128.
            nanos += whole * scale + tenths * scale / 10u128.pow(fraction.len() as u32);
            rest = after;
        }
        if nanos > LONGEST_NANOS {
            return Err(too_long());
        }
        let nanos = u64::try_from(nanos).map_err(|_| too_long())?;
        Ok(Self(std::time::Duration::from_nanos(nanos)))
    }
}

/// One to nine leading digits and what follows them.
fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (1..=9).contains(&end).then(|| text.split_at(end))
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        for (unit, scale) in UNITS {
            let count = nanos / scale;
            nanos %= scale;
            if unit == "us" && nanos > 0 {
                return write!(f, "{count}.{nanos:03}us");
            }
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Duration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": Self::PATTERN, "maxLength": Self::MAX_LENGTH})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, nanos, canonical) in [
            ("10s", 10_000_000_000, "10s"),
            ("1m30s", 90_000_000_000, "1m30s"),
            ("90s", 90_000_000_000, "1m30s"),
            ("250ms", 250_000_000, "250ms"),
            ("1.5s", 1_500_000_000, "1s500ms"),
            ("1us", 1_000, "1us"),
            ("0.5us", 500, "0.500us"),
            ("0s", 0, "0s"),
            ("2562047h", 2_562_047 * 3_600_000_000_000, "2562047h"),
        ] {
            let parsed: Duration = text.parse().unwrap();
            assert_eq!(parsed.as_std().as_nanos(), nanos, "{text}");
            assert_eq!(parsed.to_string(), canonical);
            assert_eq!(canonical.parse::<Duration>().unwrap(), parsed);
        }
    }

    #[test]
    fn refuses() {
        for text in [
            "",
            "10",
            "s",
            "10 s",
            "-1s",
            "10x",
            "1.s",
            ".5s",
            "1e3s",
            "10s ",
            "1234567890s",
            "１s",
            "1ns",
        ] {
            assert!(
                matches!(text.parse::<Duration>(), Err(DurationError::Syntax(_))),
                "{text:?}"
            );
        }
        assert!(matches!(
            "999999999h".parse::<Duration>(),
            Err(DurationError::TooLong(_))
        ));
    }
}
