//! `Quantity`: a number of bytes as Kubernetes writes it ("64Mi", "1G", "1.5Gi").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A number of bytes, written as a Kubernetes quantity: a decimal number with an optional suffix `Ki`, `Mi`, `Gi`,
/// `Ti` (powers of 1024) or `k`, `M`, `G`, `T` (powers of 1000). A part of a byte is rounded up, as in Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity(u64);

/// Why a text is no [`Quantity`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// No number, or a suffix that does not exist.
    #[error(
        "{0:?} is no quantity: write a number with a suffix (Ki, Mi, Gi, Ti, k, M, G, T), such as \"64Mi\""
    )]
    Syntax(String),
    /// More bytes than Kubernetes can count.
    #[error("{0:?} is too large for a quantity: the largest is 8388607Ti")]
    TooLarge(String),
}

const SUFFIXES: [(&str, u128); 9] = [
    ("", 1),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

impl Quantity {
    /// What the schema asks of the text. Keep in step with [`FromStr`], which accepts exactly these texts.
    pub const PATTERN: &'static str = r"^[0-9]{1,15}(\.[0-9]{1,9})?(Ki|Mi|Gi|Ti|k|M|G|T)?$";
    /// The longest text the schema accepts, in characters.
    pub const MAX_LENGTH: u32 = 32;

    /// A number of bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Mebibytes (1024 × 1024 bytes).
    pub const fn from_mebibytes(mebibytes: u64) -> Self {
        Self(mebibytes.saturating_mul(1 << 20))
    }

    /// The number of bytes.
    pub const fn bytes(&self) -> u64 {
        self.0
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let syntax = || QuantityError::Syntax(text.chars().take(64).collect());
        let too_large = || QuantityError::TooLarge(text.chars().take(64).collect());
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (_, scale) = SUFFIXES
            .iter()
            .find(|(name, _)| *name == suffix)
            .ok_or_else(syntax)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let well_formed = |part: &str, most: usize| {
            (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
        };
        if !well_formed(whole, 15) || !well_formed(fraction, 9) {
            return Err(syntax());
        }
        let whole: u128 = whole.parse().map_err(|_| syntax())?;
        let part: u128 = fraction.parse().map_err(|_| syntax())?;
        let bytes = whole * scale + (part * scale).div_ceil(10u128.pow(fraction.len() as u32));
        match u64::try_from(bytes) {
            Ok(bytes) if bytes <= i64::MAX as u64 => Ok(Self(bytes)),
            _ => Err(too_large()),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (suffix, shift) in [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)] {
            if self.0 > 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{suffix}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    // A string, not Kubernetes' int-or-string: the API server takes such a field to be up to 3 MB long when it
    // estimates what a CEL rule costs, and refuses any rule on it inside a list.
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": Self::PATTERN, "maxLength": Self::MAX_LENGTH})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, bytes, canonical) in [
            ("64Mi", 64 << 20, "64Mi"),
            ("1Gi", 1 << 30, "1Gi"),
            ("1024Mi", 1 << 30, "1Gi"),
            ("1.5Gi", 1536 << 20, "1536Mi"),
            ("1G", 1_000_000_000, "1000000000"),
            ("100k", 100_000, "100000"),
            ("0.1", 1, "1"),
            ("0", 0, "0"),
            ("4096", 4096, "4Ki"),
            ("8388607Ti", 8_388_607 << 40, "8388607Ti"),
        ] {
            let parsed: Quantity = text.parse().unwrap();
            assert_eq!(parsed.bytes(), bytes, "{text}");
            assert_eq!(parsed.to_string(), canonical);
            assert_eq!(canonical.parse::<Quantity>().unwrap(), parsed);
        }
    }

    #[test]
    fn refuses() {
        for text in [
            "",
            "Mi",
            "64 Mi",
            "64mi",
            "64MB",
            "-1",
            "1e3",
            ".5",
            "1.",
            "1.2.3",
            "64Mi ",
            "1234567890123456",
        ] {
            assert!(
                matches!(text.parse::<Quantity>(), Err(QuantityError::Syntax(_))),
                "{text:?}"
            );
        }
        assert!(matches!(
            "8388608Ti".parse::<Quantity>(),
            Err(QuantityError::TooLarge(_))
        ));
    }
}
