//! How large values are, as a wire would count them: what limits on bodies are compared with.

use wasmtime::component::Val;

/// Bytes of a value: its texts, its bytes and its numbers, and one for each that says which case it is.
pub fn size(value: &Val) -> u64 {
    match value {
        Val::Bool(_) | Val::S8(_) | Val::U8(_) => 1,
        Val::S16(_) | Val::U16(_) => 2,
        Val::S32(_) | Val::U32(_) | Val::Float32(_) | Val::Char(_) => 4,
        Val::S64(_) | Val::U64(_) | Val::Float64(_) => 8,
        Val::String(text) => text.len() as u64,
        Val::List(items) | Val::Tuple(items) => items.iter().map(size).sum(),
        Val::Record(fields) => fields.iter().map(|(_, value)| size(value)).sum(),
        Val::Map(entries) => entries.iter().map(|(key, value)| size(key) + size(value)).sum(),
        Val::Variant(_, value) => 1 + inside(value.as_deref()),
        Val::Option(value) => 1 + inside(value.as_deref()),
        Val::Result(Ok(value) | Err(value)) => 1 + inside(value.as_deref()),
        Val::Enum(_) => 1,
        Val::Flags(flags) => 1 + flags.len() as u64 / 8,
        // None of these crosses.
        _ => 0,
    }
}

fn inside(value: Option<&Val>) -> u64 {
    value.map_or(0, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_counts() {
        let text = |it: &str| Val::String(it.to_owned());
        let record = Val::Record(vec![
            ("name".to_owned(), text("Ada")),
            ("age".to_owned(), Val::U32(36)),
        ]);
        assert_eq!(size(&record), 7);
        assert_eq!(size(&Val::List(vec![record.clone(), record])), 14);
        assert_eq!(size(&Val::List(vec![Val::U8(0); 1000])), 1000);
        let failed = Val::Result(Err(Some(Box::new(text("no")))));
        assert_eq!(size(&Val::Option(Some(Box::new(failed)))), 4);
    }
}
