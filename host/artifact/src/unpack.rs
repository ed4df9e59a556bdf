//! A layer's bytes → the WebAssembly bytes in it. Works on any reader, holds nothing in memory, writes no file of
//! an archive by its name: names, links and devices in an archive are looked at, never followed.

use std::io::{self, Read, Write};

use flate2::read::MultiGzDecoder;

use crate::ArtifactError;
use crate::excerpt::excerpt;

/// How a layer holds its WebAssembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// The layer is the WebAssembly.
    Raw,
    /// The layer is a tar archive, gzipped or not, with one `.wasm` file.
    Tar,
}

/// Copies the only `.wasm` file of the archive `input` (told from gzip by its bytes, as containerd does) to `out`;
/// returns its length. The unpacked archive may have `limit` bytes in all.
pub(crate) fn unpack_tar(
    media_type: &str,
    gzip: bool,
    input: &mut dyn Read,
    out: &mut dyn Write,
    limit: u64,
) -> Result<u64, ArtifactError> {
    let plain: Box<dyn Read + '_> = if gzip {
        Box::new(MultiGzDecoder::new(input))
    } else {
        Box::new(input)
    };
    let bad = |error: io::Error| match error.get_ref().is_some_and(|inner| inner.is::<Exceeded>()) {
        true => ArtifactError::TooLarge {
            what: format!("the {media_type} layer, unpacked,"),
            limit,
        },
        false => ArtifactError::BadArchive {
            media_type: media_type.to_owned(),
            reason: format!(
                "{}; the layer is corrupted or cut off",
                excerpt(&error.to_string(), 200)
            ),
        },
    };
    let mut archive = tar::Archive::new(Capped {
        inner: plain,
        left: limit,
    });
    let mut found = None;
    let mut others = 0_u32;
    for entry in archive.entries().map_err(bad)? {
        let mut entry = entry.map_err(bad)?;
        let path = entry.path_bytes().into_owned();
        if !entry.header().entry_type().is_file() || !is_wasm(&path) {
            others += 1;
            continue;
        }
        if let Some((first, _)) = found {
            let both = [first, path].map(|path: Vec<u8>| excerpt(&String::from_utf8_lossy(&path), 100));
            return Err(wasm_files(media_type, format!("several: {}", both.join(", "))));
        }
        let len = io::copy(&mut entry, out).map_err(bad)?;
        found = Some((path, len));
    }
    match found {
        Some((_, len)) => Ok(len),
        None => Err(wasm_files(media_type, format!("none ({others} other entries)"))),
    }
}

fn wasm_files(media_type: &str, found: String) -> ArtifactError {
    ArtifactError::WasmFilesInArchive {
        media_type: media_type.to_owned(),
        found,
    }
}

/// `*.wasm`, but no whiteout of one (OCI layer specification) and no resource fork that macOS' tar adds.
fn is_wasm(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name.ends_with(b".wasm") && !name.starts_with(b".wh.") && !name.starts_with(b"._")
}

/// A reader that fails once more than a number of bytes were read.
struct Capped<R> {
    inner: R,
    left: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("more bytes than allowed")]
struct Exceeded;

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::other(Exceeded))?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

    fn archive(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        build(&mut builder);
        builder.into_inner().unwrap()
    }

    fn file(builder: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
        let mut header = tar::Header::new_ustar();
        // Past the checks of set_path, as a hostile writer would.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, bytes).unwrap();
    }

    fn link(builder: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, name: &str, to: &str) {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_path(name).unwrap();
        header.set_link_name(to).unwrap();
        header.set_size(0);
        header.set_cksum();
        builder.append(&header, [].as_slice()).unwrap();
    }

    fn unpack(gzip: bool, bytes: &[u8], limit: u64) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let len = unpack_tar(TYPE, gzip, &mut &*bytes, &mut out, limit).map_err(|error| error.to_string())?;
        assert_eq!(len, out.len() as u64);
        Ok(out)
    }

    #[test]
    fn the_only_wasm_is_found_among_other_entries() {
        let bytes = archive(|tar| {
            file(tar, "README", b"hello");
            file(tar, ".wh.old.wasm", b"");
            file(tar, "._app.wasm", b"x");
            file(tar, "app/app.wasm", b"WASM");
        });
        assert_eq!(unpack(false, &bytes, 1 << 20).unwrap(), b"WASM");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&bytes).unwrap();
        let gzip = gzip.finish().unwrap();
        assert_eq!(unpack(true, &gzip, 1 << 20).unwrap(), b"WASM");
        let error = unpack(true, &gzip[..gzip.len() / 2], 1 << 20).unwrap_err();
        assert!(error.contains("corrupted or cut off"), "{error}");
    }

    #[test]
    fn hostile_names_and_links_do_no_harm() {
        let traversal = archive(|tar| file(tar, "../../../../tmp/shoal-escape.wasm", b"W"));
        assert_eq!(unpack(false, &traversal, 1 << 20).unwrap(), b"W");
        assert!(!std::path::Path::new("/tmp/shoal-escape.wasm").exists());
        for kind in [
            tar::EntryType::Symlink,
            tar::EntryType::Link,
            tar::EntryType::Fifo,
            tar::EntryType::Char,
        ] {
            let bytes = archive(|tar| link(tar, kind, "app.wasm", "/etc/passwd"));
            let error = unpack(false, &bytes, 1 << 20).unwrap_err();
            assert!(error.contains("none (1 other entries)"), "{error}");
        }
    }

    #[test]
    fn none_several_and_garbage_are_refused() {
        let several = archive(|tar| {
            file(tar, "a.wasm", b"1");
            file(tar, "b.wasm", b"2");
        });
        assert!(
            unpack(false, &several, 1 << 20)
                .unwrap_err()
                .contains("several: a.wasm, b.wasm")
        );
        assert!(
            unpack(false, &archive(|_| ()), 1 << 20)
                .unwrap_err()
                .contains("holds none")
        );
        assert!(
            unpack(false, &[7; 2000], 1 << 20)
                .unwrap_err()
                .contains("can't be unpacked")
        );
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bytes = archive(|tar| file(tar, "a.wasm", &vec![0; 4 << 20]));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&bytes).unwrap();
        let gzip = gzip.finish().unwrap();
        assert!(gzip.len() < 20_000);
        let error = unpack(true, &gzip, 1 << 20).unwrap_err();
        assert!(
            error.contains("larger than the limit of 1048576 bytes"),
            "{error}"
        );
    }
}
