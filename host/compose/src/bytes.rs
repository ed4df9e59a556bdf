//! Renames imports and exports in a component's bytes. Their names stand in its sections of imports and exports alone; everything else
//! refers to them by number, so nothing else changes.

use wasmparser::{
    BinaryReader, BinaryReaderError, ComponentExportSectionReader, ComponentImportSectionReader, Encoding,
    Parser, Payload,
};

/// The section of imports in a component.
const IMPORTS: u8 = 10;
/// The section of exports in a component.
const EXPORTS: u8 = 11;
/// Magic number and version.
const HEADER: usize = 8;

/// Whether the bytes are a component's, and not a core module's.
pub(crate) fn is_component(wasm: &[u8]) -> bool {
    matches!(
        Parser::new(0).parse_all(wasm).next(),
        Some(Ok(Payload::Version {
            encoding: Encoding::Component,
            ..
        }))
    )
}

/// The component with the imports renamed for which `name` knows a new name. Only labels and names of interfaces are renamed.
///
/// # Errors
///
/// Where the bytes are cut off or no component. They are not validated.
pub fn rename(wasm: &[u8], name: &dyn Fn(&str) -> Option<String>) -> Result<Vec<u8>, BinaryReaderError> {
    rename_in(wasm, &[IMPORTS], name)
}

/// The component with the imports and exports renamed for which `name` knows a new name, likewise.
///
/// # Errors
///
/// As for [`rename`].
pub fn rename_both(wasm: &[u8], name: &dyn Fn(&str) -> Option<String>) -> Result<Vec<u8>, BinaryReaderError> {
    rename_in(wasm, &[IMPORTS, EXPORTS], name)
}

fn rename_in(
    wasm: &[u8],
    sections: &[u8],
    name: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<u8>, BinaryReaderError> {
    let mut out = Vec::with_capacity(wasm.len() + 1024);
    let mut reader = BinaryReader::new(wasm, 0);
    out.extend_from_slice(reader.read_bytes(HEADER)?);
    while !reader.eof() {
        let start = place(reader.original_position());
        let id = reader.read_u8()?;
        let size = reader.read_var_u32()? as usize;
        let at = place(reader.original_position());
        let content = reader.read_bytes(size)?;
        if sections.contains(&id) {
            let renamed = items(content, &names(id, content)?, name)?;
            out.push(id);
            leb(&mut out, renamed.len());
            out.extend_from_slice(&renamed);
        } else {
            out.extend_from_slice(wasm.get(start..at).unwrap_or_default());
            out.extend_from_slice(content);
        }
    }
    Ok(out)
}

/// A place in bytes that are all in memory.
fn place(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// The names in a section of imports or exports, each with the place where its item begins.
fn names(section: u8, content: &[u8]) -> Result<Vec<(usize, &str)>, BinaryReaderError> {
    let reader = BinaryReader::new(content, 0);
    if section == EXPORTS {
        let items = ComponentExportSectionReader::new(reader)?.into_iter_with_offsets();
        return items
            .map(|item| item.map(|(offset, it)| (place(offset), it.name.name)))
            .collect();
    }
    let items = ComponentImportSectionReader::new(reader)?.into_iter_with_offsets();
    items
        .map(|item| item.map(|(offset, it)| (place(offset), it.name.name)))
        .collect()
}

/// A section with some of its items renamed.
fn items(
    content: &[u8],
    items: &[(usize, &str)],
    name: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<u8>, BinaryReaderError> {
    let mut out = Vec::with_capacity(content.len());
    leb(&mut out, items.len());
    let ends = items
        .iter()
        .skip(1)
        .map(|(start, _)| *start)
        .chain([content.len()]);
    for ((start, old), end) in items.iter().zip(ends) {
        let item = content.get(*start..end).unwrap_or_default();
        // 0 and 1 are plain names; 2 is followed by more than one string.
        let renamed = match item.first() {
            Some(0 | 1) => name(old),
            _ => None,
        };
        let Some(new) = renamed else {
            out.extend_from_slice(item);
            continue;
        };
        let mut head = BinaryReader::new(item, 0);
        let kind = head.read_u8()?;
        head.read_string()?;
        let rest = place(head.original_position());
        out.push(kind);
        leb(&mut out, new.len());
        out.extend_from_slice(new.as_bytes());
        out.extend_from_slice(item.get(rest..).unwrap_or_default());
    }
    Ok(out)
}

/// An unsigned number in LEB128. All numbers here count bytes of one component, which fit.
fn leb(out: &mut Vec<u8>, mut number: usize) {
    loop {
        let byte = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imported(wasm: &[u8]) -> Vec<String> {
        let mut depth = 0;
        let mut names = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.expect("a component") {
                Payload::ComponentSection { .. } | Payload::ModuleSection { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ComponentImportSection(section) if depth == 0 => {
                    names.extend(
                        section
                            .into_iter()
                            .map(|it| it.expect("an import").name.name.to_owned()),
                    );
                }
                _ => {}
            }
        }
        names
    }

    #[test]
    fn imports_get_other_names_and_all_else_stays() {
        let wasm = wat::parse_str(
            r#"(component
                (import "wasi:io/streams@0.2.0" (instance $io (export "s" (type (sub resource)))))
                (alias export $io "s" (type $s))
                (import "wasi:cli/stdout@0.2.0" (instance (alias outer 1 $s (type $s)) (export "s" (type (eq $s)))
                    (export "get" (func (result (own 1))))))
                (component (import "wasi:cli/stdout@0.2.0" (func)))
                (import "run" (func))
            )"#,
        )
        .expect("a component");
        let long = "x".repeat(200);
        let renamed = rename(&wasm, &|name| match name {
            "run" => None,
            "wasi:cli/stdout@0.2.0" => Some(format!("p1-{long}:cli/stdout@0.2.0")),
            other => Some(format!("p1-{other}")),
        })
        .expect("renamed");
        assert_eq!(
            imported(&renamed),
            [
                "p1-wasi:io/streams@0.2.0".to_owned(),
                format!("p1-{long}:cli/stdout@0.2.0"),
                "run".to_owned()
            ]
        );
        wasmparser::Validator::new()
            .validate_all(&renamed)
            .expect("it is as valid as it was");
        assert_eq!(rename(&wasm, &|_| None).expect("nothing to do"), wasm);
    }

    #[test]
    fn exports_are_renamed_where_that_is_asked_for() {
        let wasm = wat::parse_str(
            r#"(component (import "a:b/c@1.0.0-rc" (func $f)) (export "a:b/d@1.0.0-rc" (func $f)) (export "e" (func $f)))"#,
        )
        .expect("a component");
        let wanted = wat::parse_str(
            r#"(component (import "a:b/c@1.0.0" (func $f)) (export "a:b/d@1.0.0" (func $f)) (export "e" (func $f)))"#,
        )
        .expect("a component");
        let release = |name: &str| Some(name.strip_suffix("-rc")?.to_owned());
        assert_eq!(rename_both(&wasm, &release).expect("renamed"), wanted);
        let imports = rename(&wasm, &release).expect("renamed");
        assert!(imports.windows(14).any(|it| it == b"a:b/d@1.0.0-rc"));
    }

    #[test]
    fn bytes_that_end_early_are_an_error() {
        let wasm = wat::parse_str(r#"(component (import "a:b/c" (instance)))"#).expect("a component");
        for end in 0..wasm.len() {
            let cut = rename(&wasm[..end], &|it| Some(format!("p1-{it}")));
            // A component without its last sections is one too.
            assert!(
                cut.is_err() || cut.is_ok_and(|it| it.len() <= wasm.len()),
                "{end}"
            );
        }
    }
}
