//! The place of a request in a distributed trace, as W3C's Trace Context has it: read from what comes in, written to what goes out. No span
//! is recorded here.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::sync::Arc;

/// The header, and the field of a stream's entry, that says where in a trace its sender is.
pub const TRACEPARENT: &str = "traceparent";
/// The header, and the field of a stream's entry, that carries what tracing systems add to it.
pub const TRACESTATE: &str = "tracestate";

const PARENT: HeaderName = HeaderName::from_static(TRACEPARENT);
const STATE: HeaderName = HeaderName::from_static(TRACESTATE);

/// Bytes of a `tracestate` that everybody passes on (W3C Trace Context 3.3.1.5), and all that are kept here.
const STATE_BYTES: usize = 512;
/// Its entries, at most (3.3.1.1). One that has more is not valid.
const STATE_ENTRIES: usize = 32;

/// A place in a trace (`traceparent` of version 00), with what tracing systems say about it.
#[derive(Clone, PartialEq, Eq)]
pub struct Trace {
    id: u128,
    span: u64,
    flags: u8,
    state: Option<Arc<str>>,
}

impl Trace {
    /// Reads the value of a `traceparent`. None where it is not valid, which means that there is none (3.2.2).
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |text: &str, digits: usize| {
            let lower = text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
            (text.len() == digits && lower)
                .then(|| u128::from_str_radix(text, 16).ok())
                .flatten()
        };
        let mut parts = text.split('-');
        let version = hex(parts.next()?, 2)?;
        let (id, span) = (hex(parts.next()?, 32)?, hex(parts.next()?, 16)?);
        let flags = hex(parts.next()?, 2)?;
        // Later versions may add fields; 255 is forbidden.
        let known = version != 0xff && (version > 0 || parts.next().is_none());
        (known && id != 0 && span != 0).then_some(Self {
            id,
            span: u64::try_from(span).ok()?,
            flags: u8::try_from(flags).ok()?,
            state: None,
        })
    }

    /// With a `tracestate`, which may come in several pieces (RFC 9110, 5.3). One that is not valid is left out: the trace goes on
    /// without it (3.3.1).
    #[must_use]
    pub fn with_state<'a>(self, pieces: impl IntoIterator<Item = &'a str>) -> Self {
        let state = state(pieces);
        Self { state, ..self }
    }

    /// The place that a request's headers name. A `tracestate` without a valid `traceparent` means nothing (3.3).
    pub fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let trace = Self::parse(headers.get(PARENT)?.to_str().ok()?)?;
        let pieces = headers.get_all(STATE).iter();
        Some(trace.with_state(pieces.map(|it| it.to_str().unwrap_or("\0"))))
    }

    /// The place that the fields of a message name.
    pub fn of_fields(fields: &[(String, Vec<u8>)]) -> Option<Self> {
        let field = |name: &str| {
            let (_, value) = fields.iter().find(|(it, _)| it == name)?;
            std::str::from_utf8(value).ok()
        };
        Some(Self::parse(field(TRACEPARENT)?)?.with_state(field(TRACESTATE)))
    }

    /// A place below this one, in the same trace.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span: rand::random_range(1..=u64::MAX),
            ..self.clone()
        }
    }

    /// What stands in `tracestate`.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Puts a place below this one into the headers of a request, unless its sender has named one of its own.
    pub fn put_into(&self, headers: &mut HeaderMap) {
        if headers.contains_key(PARENT) {
            return;
        }
        // Without the other it meant nothing.
        headers.remove(STATE);
        if let Ok(parent) = HeaderValue::from_str(&self.child().to_string()) {
            headers.insert(PARENT, parent);
        }
        if let Some(state) = self.state().and_then(|it| HeaderValue::from_str(it).ok()) {
            headers.insert(STATE, state);
        }
    }
}

/// A list of entries `key=value`, in their order, without empty ones. The last ones are dropped where there is too much (3.3.1.5).
fn state<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Option<Arc<str>> {
    let entries = pieces.into_iter().flat_map(|piece| piece.split(','));
    let entries: Vec<_> = entries
        .map(|it| it.trim_matches([' ', '\t']))
        .filter(|it| !it.is_empty())
        .collect();
    if entries.len() > STATE_ENTRIES || !entries.iter().all(|it| is_entry(it)) {
        return None;
    }
    let mut kept = String::new();
    for entry in entries {
        let comma = usize::from(!kept.is_empty());
        if kept.len() + comma + entry.len() > STATE_BYTES {
            break;
        }
        kept.extend((comma > 0).then_some(','));
        kept.push_str(entry);
    }
    (!kept.is_empty()).then(|| kept.into())
}

/// `key=value` (3.3.1.3).
fn is_entry(entry: &str) -> bool {
    let Some((key, value)) = entry.split_once('=') else {
        return false;
    };
    let in_key = |it: u8| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let first = key
        .bytes()
        .next()
        .is_some_and(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
    let in_value = |it: u8| matches!(it, b' '..=b'~') && it != b'=';
    first && key.len() <= 256 && key.bytes().all(in_key) && value.len() <= 256 && value.bytes().all(in_value)
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.id, self.span, self.flags)
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| {
            let value = HeaderValue::from_str(value).expect("a value");
            (HeaderName::from_static(name), value)
        });
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    fn kept(pieces: &[&str]) -> Option<String> {
        let trace = Trace::parse(SENT).expect("valid");
        let trace = trace.with_state(pieces.iter().copied());
        trace.state().map(str::to_owned)
    }

    #[test]
    fn a_trace_goes_on_under_a_new_span() {
        let trace = Trace::parse(SENT).expect("valid").with_state(["a=1"]);
        assert_eq!(trace.to_string(), SENT);
        let child = trace.child();
        assert_ne!(child.span, trace.span);
        assert_eq!((child.id, child.flags), (trace.id, trace.flags));
        assert_eq!(child.state(), Some("a=1"));
        assert!(Trace::parse(&child.to_string()).is_some());
    }

    #[test]
    fn what_is_not_valid_is_none() {
        let zero = "0".repeat(32);
        for text in [
            "",
            "00",
            &SENT.replace("4bf9", "4BF9"),
            &SENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zero),
            &SENT.replacen("00-", "ff-", 1),
            &format!("{SENT}-more"),
            &SENT[..54],
        ] {
            assert_eq!(Trace::parse(text), None, "{text}");
        }
        assert!(Trace::parse(&format!("{}-more", SENT.replacen("00-", "01-", 1))).is_some());
    }

    #[test]
    fn the_state_is_one_list_of_at_most_512_bytes_in_its_order() {
        assert_eq!(kept(&["a=1, b=2,,", "t@v=3"]).as_deref(), Some("a=1,b=2,t@v=3"));
        let long = format!("a={}", "x".repeat(250));
        let pieces = [long.as_str(), &long, "c=3"];
        assert_eq!(kept(&pieces).map(|it| it.len()), Some(252 * 2 + 1 + 4));
        let pieces = [long.as_str(), &long, &long, "d=4"];
        assert_eq!(kept(&pieces), Some(format!("{long},{long}")));
        for odd in [
            "a",
            "A=1",
            "=1",
            "a=1=2",
            "a=é",
            "\0",
            &format!("a={}", "x".repeat(257)),
        ] {
            assert_eq!(kept(&["b=2", odd]), None, "{odd}");
        }
        assert_eq!(kept(&[&"a=1,".repeat(33)]), None);
        assert_eq!(kept(&[]), None);
    }

    #[test]
    fn a_request_takes_both_headers_along_unless_it_has_its_own() {
        let sent = headers(&[(TRACEPARENT, SENT), (TRACESTATE, "a=1"), (TRACESTATE, "b=2")]);
        let trace = Trace::of_headers(&sent).expect("a trace");
        let mut next = headers(&[(TRACESTATE, "stray=1")]);
        trace.put_into(&mut next);
        let parent = next[TRACEPARENT].to_str().expect("text");
        assert!(
            parent.starts_with(&SENT[..36]) && parent.ends_with("-01"),
            "{parent}"
        );
        assert_ne!(parent, SENT);
        assert_eq!(next.get_all(TRACESTATE).iter().collect::<Vec<_>>(), ["a=1,b=2"]);
        let own = headers(&[(TRACEPARENT, "its own"), (TRACESTATE, "c=3")]);
        let mut next = own.clone();
        trace.put_into(&mut next);
        assert_eq!(next, own);
        assert_eq!(Trace::of_headers(&headers(&[(TRACESTATE, "a=1")])), None);
    }

    #[test]
    fn a_message_names_it_by_its_fields() {
        let field = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let fields = [
            field("payload", "x"),
            field(TRACEPARENT, SENT),
            field(TRACESTATE, "a=1"),
        ];
        let trace = Trace::of_fields(&fields).expect("a trace");
        assert_eq!((trace.to_string().as_str(), trace.state()), (SENT, Some("a=1")));
        assert_eq!(Trace::of_fields(&fields[..1]), None);
        assert_eq!(Trace::of_fields(&fields[2..]), None);
    }
}
