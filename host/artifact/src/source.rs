//! Where an artifact comes from: a registry reference, a file, an OCI layout folder. Parsing only, no I/O.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use oci_client::Reference;

use crate::{ArtifactError, Digest};

/// Where an artifact comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An image or artifact in a registry; `docker.io` and `latest` are the defaults, as for Kubernetes.
    Reference(Reference),
    /// A file of WebAssembly bytes; a path that turns out to be an OCI layout folder is read as one.
    File(PathBuf),
    /// A folder in the OCI image layout.
    Layout(PathBuf),
}

impl Source {
    /// Parses a reference alone, as a manifest's `image` field has it.
    pub fn reference(text: &str) -> Result<Self, ArtifactError> {
        parse_reference(text).map(Self::Reference)
    }
}

/// Parses a registry reference, `[registry/]repository[:tag][@digest]`.
pub fn parse_reference(text: &str) -> Result<Reference, ArtifactError> {
    let invalid = |reason: String| ArtifactError::InvalidReference {
        reference: crate::excerpt::excerpt(text, 200),
        reason,
    };
    let reference: Reference = text.parse().map_err(|error| invalid(format!("{error}")))?;
    // The distribution specification's names; the parser lets capitals through.
    let allowed =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-' | b'/');
    if !reference.repository().bytes().all(allowed) {
        return Err(invalid(
            "a repository has lower-case letters, digits and ._-/ alone".to_owned(),
        ));
    }
    if let Some(digest) = reference.digest() {
        Digest::parse(digest).map_err(|error| invalid(error.to_string()))?;
    }
    Ok(reference)
}

impl FromStr for Source {
    type Err = ArtifactError;

    /// As typed on a command line: `oci:FOLDER`; `file:PATH`; a path when it starts with `/`, `./`, `../` or `~/`,
    /// or ends in `.wasm` (a repository may be called so too: write it with its tag); else a reference.
    fn from_str(text: &str) -> Result<Self, ArtifactError> {
        if let Some(path) = text.strip_prefix("oci:") {
            return path_of(text, path).map(Self::Layout);
        }
        if let Some(path) = text
            .strip_prefix("file://")
            .or_else(|| text.strip_prefix("file:"))
        {
            return path_of(text, path).map(Self::File);
        }
        let path_like = text.starts_with(['/', '.', '~'])
            || std::path::Path::new(text)
                .extension()
                .is_some_and(|extension| extension == "wasm");
        if path_like {
            path_of(text, text).map(Self::File)
        } else {
            Self::reference(text)
        }
    }
}

fn path_of(whole: &str, path: &str) -> Result<PathBuf, ArtifactError> {
    if path.is_empty() {
        let reason = "the path is missing after the colon".to_owned();
        return Err(ArtifactError::InvalidReference {
            reference: whole.to_owned(),
            reason,
        });
    }
    Ok(PathBuf::from(path))
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(reference) => write!(f, "{reference}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Layout(path) => write!(f, "oci:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_references_are_told_apart() {
        let file = |path: &str| Source::File(PathBuf::from(path));
        for (text, expected) in [
            ("./a.wasm", file("./a.wasm")),
            ("/a/b", file("/a/b")),
            ("target/x/a.wasm", file("target/x/a.wasm")),
            ("a.wasm", file("a.wasm")),
            ("file:a b", file("a b")),
            ("file:///a", file("/a")),
            ("oci:layout", Source::Layout(PathBuf::from("layout"))),
        ] {
            assert_eq!(text.parse::<Source>().unwrap(), expected, "{text}");
        }
        for (text, whole) in [
            ("hello", "docker.io/library/hello:latest"),
            ("a.wasm:1", "docker.io/library/a.wasm:1"),
            ("localhost:5000/team/hello:1.2", "localhost:5000/team/hello:1.2"),
            ("registry.example/x", "registry.example/x:latest"),
        ] {
            match text.parse::<Source>().unwrap() {
                Source::Reference(reference) => assert_eq!(reference.whole(), whole),
                other => panic!("{text} became {other:?}"),
            }
        }
    }

    #[test]
    fn a_bad_reference_is_named() {
        let short = format!("x@sha256:{}", "a".repeat(63));
        for text in ["", "UPPER/x", "a b", "x:ta g", "x@sha256:00", "oci:", &short] {
            let error = text.parse::<Source>().unwrap_err();
            assert!(
                matches!(error, ArtifactError::InvalidReference { .. }),
                "{text}: {error}"
            );
        }
    }
}
