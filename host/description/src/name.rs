//! Names of interfaces: versions, and whose import one is.

use semver::Version;
use std::fmt;

/// The most components that one may be composed of.
pub const MAX_PARTS: usize = 64;

/// The name without its version: `acme:auth/check`.
pub fn unversioned(name: &str) -> &str {
    name.split_once('@').map_or(name, |(name, _)| name)
}

/// Whether an export of one name can serve an import of the other: the same interface, in versions that semver calls compatible. The
/// component model lets a runtime match those (0.2.1 and 0.2.6; 1.0 and 1.4; not 0.1 and 0.2, and no pre-releases but equal ones).
pub fn compatible(one: &str, other: &str) -> bool {
    one == other
        || unversioned(one) == unversioned(other)
            && track(one)
                .zip(track(other))
                .is_some_and(|(one, other)| one == other)
}

/// What compatible versions have in common.
fn track(name: &str) -> Option<(u64, u64, u64)> {
    let (_, version) = name.split_once('@')?;
    let version = Version::parse(version).ok()?;
    if !version.pre.is_empty() {
        return None;
    }
    match (version.major, version.minor, version.patch) {
        (0, 0, _) => None,
        (0, minor, _) => Some((0, minor, 0)),
        (major, ..) => Some((major, 0, 0)),
    }
}

/// The name of an import that belongs to one part of a composed component: `p3-wasi:cli/environment@0.2.6` is what the part at place 3
/// calls `wasi:cli/environment@0.2.6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned<'a> {
    /// The part's place in the composition; the one whose exports the whole has is at place 0.
    pub part: usize,
    /// The name that the part itself knows.
    pub name: &'a str,
}

impl<'a> Owned<'a> {
    /// Reads a name of a composed component. None where it belongs to no part alone.
    pub fn parse(name: &'a str) -> Option<Self> {
        let (part, name) = name.strip_prefix('p')?.split_once('-')?;
        // `p01` is not what `Display` writes.
        let plain = part == "0" || !part.starts_with('0');
        let part = part
            .parse()
            .ok()
            .filter(|_| plain && part.bytes().all(|it| it.is_ascii_digit()))?;
        (part < MAX_PARTS).then_some(Self { part, name })
    }
}

impl fmt::Display for Owned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}-{}", self.part, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_match_as_in_the_component_model() {
        assert!(compatible("a:b/c@0.2.1", "a:b/c@0.2.6"));
        assert!(compatible("a:b/c@1.0.0", "a:b/c@1.4.2"));
        assert!(compatible("a:b/c", "a:b/c"));
        assert!(compatible("a:b/c@0.2.0-draft", "a:b/c@0.2.0-draft"));
        assert!(!compatible("a:b/c@0.1.0", "a:b/c@0.2.0"));
        assert!(!compatible("a:b/c@0.0.1", "a:b/c@0.0.2"));
        assert!(!compatible("a:b/c@0.2.0-draft", "a:b/c@0.2.0"));
        assert!(!compatible("a:b/c", "a:b/c@0.2.0"));
        assert!(!compatible("a:b/d@0.2.0", "a:b/c@0.2.0"));
    }

    #[test]
    fn whose_an_import_is_can_be_read_back() {
        let owned = Owned {
            part: 12,
            name: "wasi:cli/environment@0.2.6",
        };
        assert_eq!(owned.to_string(), "p12-wasi:cli/environment@0.2.6");
        assert_eq!(Owned::parse(&owned.to_string()), Some(owned));
        // What a part itself imports under such a name stays its own.
        let forged = Owned {
            part: 1,
            name: "p0-wasi:cli/environment@0.2.6",
        };
        assert_eq!(Owned::parse(&forged.to_string()), Some(forged));
        for other in [
            "wasi:cli/environment@0.2.6",
            "p-x",
            "p01-a:b/c",
            "p64-a:b/c",
            "p1x-a:b/c",
            "pa:b/c",
        ] {
            assert_eq!(Owned::parse(other), None, "{other}");
        }
    }
}
