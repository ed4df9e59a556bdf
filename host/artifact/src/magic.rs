//! What bytes are, judged by the bytes: WebAssembly or one of its usual impostors. Pure.

use std::io::{self, Read, Seek, SeekFrom};

use crate::ArtifactError;

/// How many leading bytes [`sniff`] wants to see: a tar header is recognised by its end.
pub const SNIFF_LEN: usize = 512;

/// What some bytes look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A WebAssembly component.
    Component,
    /// A WebAssembly core module.
    Module,
    /// WebAssembly of a version that is neither.
    UnknownWasm,
    /// WebAssembly's text format.
    WasmText,
    /// An ELF file: native code, also wasmtime's precompiled components and modules.
    Native,
    /// A gzip stream.
    Gzip,
    /// A zstd stream.
    Zstd,
    /// A tar archive.
    Tar,
    /// Nothing at all.
    Empty,
    /// Something else.
    Unknown,
}

impl Content {
    /// In words, for an error message.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Component => "a WebAssembly component",
            Self::Module => "a WebAssembly core module",
            Self::UnknownWasm => "WebAssembly of an unknown version",
            Self::WasmText => "WebAssembly in text format (turn it into bytes: `wasm-tools parse`)",
            Self::Native => {
                "native code; a precompiled file is never accepted from outside, give the .wasm it was made from"
            }
            Self::Gzip => "a gzip stream",
            Self::Zstd => "a zstd stream",
            Self::Tar => "a tar archive",
            Self::Empty => "empty",
            Self::Unknown => "neither WebAssembly nor an archive",
        }
    }
}

/// Tells what bytes are from the first [`SNIFF_LEN`] of them.
pub fn sniff(head: &[u8]) -> Content {
    let text = head.trim_ascii_start();
    match head {
        [] => Content::Empty,
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Content::Component,
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Content::Module,
        [0, b'a', b's', b'm', ..] => Content::UnknownWasm,
        [0x7f, b'E', b'L', b'F', ..] => Content::Native,
        [0x1f, 0x8b, ..] => Content::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Content::Zstd,
        _ if head.get(257..262) == Some(b"ustar") => Content::Tar,
        _ if text.starts_with(b"(module") || text.starts_with(b"(component") => Content::WasmText,
        _ => Content::Unknown,
    }
}

/// Reads the first bytes for [`sniff`], then goes back to the start.
pub(crate) fn head(reader: &mut (impl Read + Seek)) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(SNIFF_LEN);
    reader.by_ref().take(SNIFF_LEN as u64).read_to_end(&mut head)?;
    reader.seek(SeekFrom::Start(0))?;
    Ok(head)
}

/// Verifies that `reader` holds a component or a core module whose sections end exactly where the bytes end, so
/// that a cut-off file is named here instead of by the compiler. Leaves everything inside sections to the compiler.
/// `what` names the bytes in errors, `len` is their number. An outer error is one of reading.
pub(crate) fn check_wasm(
    what: &str,
    reader: &mut (impl Read + Seek),
    len: u64,
) -> io::Result<Result<Content, ArtifactError>> {
    let content = sniff(&head(reader)?);
    if !matches!(content, Content::Component | Content::Module) {
        let found = content.describe();
        return Ok(Err(ArtifactError::NotWasm {
            what: what.to_owned(),
            found,
        }));
    }
    let mut at = 8;
    reader.seek(SeekFrom::Start(at))?;
    while at < len {
        let cut_off = || ArtifactError::TruncatedWasm {
            what: what.to_owned(),
            len,
        };
        let Some((header, size)) = section_header(reader)? else {
            return Ok(Err(cut_off()));
        };
        let Some(size) = size else {
            return Ok(Err(ArtifactError::BadSection {
                what: what.to_owned(),
                at,
            }));
        };
        at += header + size;
        if at > len {
            return Ok(Err(cut_off()));
        }
        reader.seek(SeekFrom::Start(at))?;
    }
    Ok(Ok(content))
}

/// The lengths of a section's header (id, LEB128 length) and body. `None`: the bytes end in the header; an inner
/// `None`: the length does not fit the 32 bits that the WebAssembly specification gives it.
fn section_header(reader: &mut impl Read) -> io::Result<Option<(u64, Option<u64>)>> {
    let mut byte = [0];
    if reader.read(&mut byte)? == 0 {
        return Ok(None);
    }
    let mut size: u64 = 0;
    for index in 0..5 {
        if reader.read(&mut byte)? == 0 {
            return Ok(None);
        }
        size |= u64::from(byte[0] & 0x7f) << (7 * index);
        if byte[0] & 0x80 == 0 {
            return Ok(Some((2 + index, (size <= u64::from(u32::MAX)).then_some(size))));
        }
    }
    Ok(Some((6, None)))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn check(bytes: &[u8]) -> Result<Content, String> {
        check_wasm("x.wasm", &mut Cursor::new(bytes), bytes.len() as u64)
            .unwrap()
            .map_err(|error| error.to_string())
    }

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn sections_are_walked_to_the_end() {
        assert_eq!(check(COMPONENT), Ok(Content::Component));
        assert_eq!(check(MODULE), Ok(Content::Module));
        let custom = [COMPONENT, b"\0\x82\0\x01n\0\x02\x01m".as_slice()].concat();
        assert_eq!(check(&custom), Ok(Content::Component));
        for cut in 9..custom.len() {
            if cut != COMPONENT.len() + 5 {
                assert!(check(&custom[..cut]).unwrap_err().contains("cut off"), "{cut}");
            }
        }
    }

    #[test]
    fn a_section_longer_than_32_bits_is_refused() {
        for tail in [b"\0\xff\xff\xff\xff\xff".as_slice(), b"\0\xff\xff\xff\xff\x7f"] {
            let error = check(&[MODULE, tail].concat()).unwrap_err();
            assert!(error.contains("section at byte 8"), "{error}");
        }
    }

    #[test]
    fn impostors_are_named() {
        let mut tar = vec![b'x'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (bytes, found) in [
            (b"".as_slice(), "empty"),
            (b"\0asm\x02\0\0\0", "unknown version"),
            (b"\0as", "neither"),
            (b"\n (component)", "wasm-tools parse"),
            (b"\x7fELF\x02", "precompiled"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"\x28\xb5\x2f\xfd", "zstd"),
            (&tar, "tar archive"),
            (b"<html>", "neither"),
        ] {
            let error = check(bytes).unwrap_err();
            assert!(error.starts_with("x.wasm") && error.contains(found), "{error}");
        }
    }
}
