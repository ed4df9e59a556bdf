//! Entries of streams as Redis writes them, and as events.

use crate::event::Event;
use shoal_redis::Value;

/// Names and values, in their order.
pub(super) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: String,
    /// None where one of them was too large to be taken off the wire, or the entry has been deleted.
    pub(super) fields: Option<Fields>,
}

/// The entries of an answer to XREADGROUP about one stream. None where the answer is of another form.
pub(super) fn of_read(answer: Value) -> Option<Vec<Entry>> {
    let Value::Array(streams) = answer else {
        return matches!(answer, Value::Nil).then(Vec::new);
    };
    let mut entries = Vec::new();
    for stream in streams {
        let Value::Array(parts) = stream else { return None };
        entries.extend(of_claim(parts.into_iter().nth(1)?)?);
    }
    Some(entries)
}

/// The entries of an answer to XCLAIM.
pub(super) fn of_claim(answer: Value) -> Option<Vec<Entry>> {
    match answer {
        Value::Nil => Some(Vec::new()),
        // Redis before 7 puts nothing in the place of one that was deleted.
        Value::Array(entries) => entries
            .into_iter()
            .filter(|entry| !matches!(entry, Value::Nil))
            .map(entry)
            .collect(),
        _ => None,
    }
}

fn entry(value: Value) -> Option<Entry> {
    let Value::Array(parts) = value else { return None };
    let mut parts = parts.into_iter();
    let Some(Value::BulkString(id)) = parts.next() else {
        return None;
    };
    let fields = match parts.next() {
        Some(Value::Array(fields)) => pairs(fields),
        _ => None,
    };
    Some(Entry {
        id: String::from_utf8(id).ok()?,
        fields,
    })
}

fn pairs(values: Vec<Value>) -> Option<Fields> {
    let mut values = values.into_iter();
    let mut pairs = Vec::new();
    while let (Some(name), Some(value)) = (values.next(), values.next()) {
        let (Value::BulkString(name), Value::BulkString(value)) = (name, value) else {
            return None;
        };
        pairs.push((name, value));
    }
    Some(pairs)
}

/// What a component is called with.
pub(super) fn event(stream: &str, id: &str, fields: &[(Vec<u8>, Vec<u8>)], attempt: u32) -> Event {
    let named = fields.iter().find(|(name, _)| name == b"payload");
    let payload = match fields {
        [(_, only)] => Some(only),
        _ => named.map(|(_, value)| value),
    };
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    Event {
        channel: stream.to_owned(),
        payload: payload.cloned().unwrap_or_default(),
        fields: fields
            .iter()
            .map(|(name, value)| (text(name), value.clone()))
            .collect(),
        id: Some(id.to_owned()),
        attempt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn fields(pairs: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
        pairs
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn answers_are_read() {
        let entry = |id, values| Value::Array(vec![text(id), values]);
        let good = entry("1-0", Value::Array(vec![text("a"), text("1")]));
        let deleted = entry("2-0", Value::Nil);
        let large = entry("3-0", Value::Array(vec![text("a"), Value::Int(3)]));
        let stream = Value::Array(vec![text("s"), Value::Array(vec![good, deleted, large])]);
        let entries = of_read(Value::Array(vec![stream])).expect("entries");
        assert_eq!(entries[0].fields, Some(fields(&[("a", "1")])));
        assert_eq!((entries[1].id.as_str(), &entries[1].fields), ("2-0", &None));
        assert_eq!((entries[2].id.as_str(), &entries[2].fields), ("3-0", &None));
        assert_eq!(of_read(Value::Nil), Some(vec![]));
        assert_eq!(of_claim(Value::Array(vec![Value::Nil])), Some(vec![]));
        assert_eq!(of_read(Value::Okay), None);
    }

    #[test]
    fn the_payload_is_the_only_field_or_the_one_called_so() {
        let payload = |pairs: &[(&str, &str)]| event("s", "1-0", &fields(pairs), 1).payload;
        assert_eq!(payload(&[("x", "1")]), b"1");
        assert_eq!(payload(&[("x", "1"), ("payload", "2")]), b"2");
        assert_eq!(payload(&[("x", "1"), ("y", "2")]), b"");
    }
}
