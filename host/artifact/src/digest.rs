//! Content digests (`sha256:…`, `sha512:…`): parsing, hashing, comparing. No I/O.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

use crate::ArtifactError;

/// A digest as the OCI image specification writes it: `algorithm:lower-case-hex`. Always well-formed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// Parses `sha256:` with 64 or `sha512:` with 128 lower-case hexadecimal digits; everything else is
    /// refused, since a digest ends up in file names and URLs.
    pub fn parse(text: &str) -> Result<Self, ArtifactError> {
        let digits = match text.split_once(':') {
            Some(("sha256", digits)) if digits.len() == 64 => digits,
            Some(("sha512", digits)) if digits.len() == 128 => digits,
            _ => return Err(bad(text)),
        };
        if digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(text.to_owned()))
        } else {
            Err(bad(text))
        }
    }

    /// The SHA-256 digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(Sha256::digest(bytes))))
    }

    /// The whole text, algorithm included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hexadecimal digits alone.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, digits)| digits)
    }

    /// Whether the algorithm is SHA-256, the one that the cache files things under.
    pub fn is_sha256(&self) -> bool {
        self.0.starts_with("sha256:")
    }

    /// A hasher of this digest's algorithm.
    pub(crate) fn hasher(&self) -> Hasher {
        if self.is_sha256() {
            Hasher::sha256()
        } else {
            Hasher::Sha512(Sha512::new())
        }
    }

    /// Succeeds when `bytes` have this digest; `what` names them in the error.
    pub(crate) fn verify(&self, what: &str, bytes: &[u8]) -> Result<(), ArtifactError> {
        let mut hasher = self.hasher();
        hasher.update(bytes);
        self.compare(what, hasher.finish())
    }

    pub(crate) fn compare(&self, what: &str, actual: Digest) -> Result<(), ArtifactError> {
        if *self == actual {
            return Ok(());
        }
        Err(ArtifactError::DigestMismatch {
            what: what.to_owned(),
            expected: self.clone(),
            actual,
        })
    }
}

fn bad(text: &str) -> ArtifactError {
    ArtifactError::BadDigest {
        digest: crate::excerpt::excerpt(text, 100),
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = ArtifactError;
    fn try_from(text: String) -> Result<Self, ArtifactError> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

/// Hashes bytes as they stream by.
pub(crate) enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    pub(crate) fn sha256() -> Self {
        Self::Sha256(Sha256::new())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Digest {
        Digest(match self {
            Self::Sha256(hasher) => format!("sha256:{}", hex::encode(hasher.finalize())),
            Self::Sha512(hasher) => format!("sha512:{}", hex::encode(hasher.finalize())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_digests_parse() {
        let good = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(Digest::parse(&good).unwrap().hex(), "0a".repeat(32));
        let upper = format!("sha256:{}", "0A".repeat(32));
        let path = format!("sha256:{}{}", "../".repeat(21), "a");
        for text in [
            "",
            "sha256:",
            "sha256:00",
            "md5:00",
            &upper,
            &path,
            &good[7..],
            &format!("{good}0"),
        ] {
            assert!(Digest::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn both_algorithms_verify() {
        let sha256 = Digest::of(b"abc");
        assert_eq!(
            sha256.as_str(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        sha256.verify("x", b"abc").unwrap();
        let mut hasher = Hasher::Sha512(Sha512::new());
        hasher.update(b"abc");
        let sha512 = hasher.finish();
        assert_eq!(Digest::parse(sha512.as_str()).unwrap(), sha512);
        sha512.verify("x", b"abc").unwrap();
        let error = sha512.verify("the layer", b"abd").unwrap_err().to_string();
        assert!(
            error.starts_with("the layer: the bytes do not have the digest"),
            "{error}"
        );
    }
}
