//! What a call carries along, from the request that caused it through every service that it reaches: its deadline, its trace, and how
//! many services lie behind it.

use std::fmt;
use tokio::time::Instant;

/// What a call carries along.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallContext {
    /// When the one who waits for the answer stops waiting.
    pub deadline: Option<Instant>,
    /// The trace that it belongs to.
    pub trace: Option<Trace>,
    /// Services that wait for it, one within the other.
    pub depth: u32,
}

/// A place in a trace, as W3C's Trace Context has it (`traceparent`, version 00).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    id: u128,
    span: u64,
    flags: u8,
}

impl Trace {
    /// Reads the value of a `traceparent` header. None where it is not valid, which means that there is none (W3C Trace Context 3.2.2).
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
        })
    }

    /// A place below this one, in the same trace.
    pub fn child(self) -> Self {
        Self {
            span: rand::random_range(1..=u64::MAX),
            ..self
        }
    }
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

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_goes_on_under_a_new_span() {
        let trace = Trace::parse(PARENT).expect("valid");
        assert_eq!(trace.to_string(), PARENT);
        let child = trace.child();
        assert_ne!(child.span, trace.span);
        assert_eq!((child.id, child.flags), (trace.id, trace.flags));
        assert_eq!(Trace::parse(&child.to_string()), Some(child));
    }

    #[test]
    fn what_is_not_valid_is_none() {
        let zero = "0".repeat(32);
        for text in [
            "",
            "00",
            &PARENT.replace("4bf9", "4BF9"),
            &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zero),
            &PARENT.replacen("00-", "ff-", 1),
            &format!("{PARENT}-more"),
            &PARENT[..54],
        ] {
            assert_eq!(Trace::parse(text), None, "{text}");
        }
        assert!(Trace::parse(&format!("{}-more", PARENT.replacen("00-", "01-", 1))).is_some());
    }
}
