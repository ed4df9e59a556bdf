//! Which node of a cluster has a key: <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>. Asking and
//! reconnecting is in `client`. The redis crate's own cluster client makes its connections itself, which a process that may not
//! open sockets can't use.

use crate::connect::Host;
use redis::Value;

/// Ranges of slots and the masters that have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slots(Vec<(u16, u16, Host)>);

const SLOTS: u16 = 16384;

/// The slot of a key: of what stands in its first pair of braces, where there is something, so that keys can be kept together.
pub(crate) fn slot(key: &[u8]) -> u16 {
    let tagged = || {
        let open = key.iter().position(|byte| *byte == b'{')?;
        let rest = key.get(open + 1..)?;
        let close = rest.iter().position(|byte| *byte == b'}')?;
        rest.get(..close).filter(|tag| !tag.is_empty())
    };
    crc16(tagged().unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    })
}

impl Slots {
    /// Reads the answer to CLUSTER SLOTS that came from `asked`.
    pub(crate) fn read(answer: &Value, asked: &Host) -> Option<Self> {
        let Value::Array(ranges) = answer else { return None };
        let ranges: Option<Vec<_>> = ranges.iter().map(|range| Self::range(range, asked)).collect();
        ranges.filter(|ranges| !ranges.is_empty()).map(Self)
    }

    fn range(range: &Value, asked: &Host) -> Option<(u16, u16, Host)> {
        let Value::Array(parts) = range else { return None };
        let [Value::Int(from), Value::Int(to), Value::Array(master), ..] = parts.as_slice() else {
            return None;
        };
        let [host, Value::Int(port), ..] = master.as_slice() else {
            return None;
        };
        let host = match host {
            Value::BulkString(host) if !host.is_empty() && host != b"?" => {
                String::from_utf8(host.clone()).ok()?
            }
            // It does not know its own name: the one by which it was reached is right.
            _ => asked.0.clone(),
        };
        Some((
            (*from).try_into().ok()?,
            (*to).try_into().ok()?,
            (host, (*port).try_into().ok()?),
        ))
    }

    pub(crate) fn master(&self, slot: u16) -> Option<&Host> {
        let found = self.0.iter().find(|(from, to, _)| (*from..=*to).contains(&slot));
        found.map(|(_, _, host)| host)
    }

    /// Every master once, in an order that stays while they do.
    pub(crate) fn masters(&self) -> Vec<Host> {
        let mut masters: Vec<_> = self.0.iter().map(|(_, _, host)| host.clone()).collect();
        masters.sort();
        masters.dedup();
        masters
    }
}

/// Where MOVED and ASK point to: `3999 127.0.0.1:6381`.
pub(crate) fn target(said: &str, asked: &Host) -> Option<Host> {
    let place = said.split_whitespace().last()?;
    let (host, port) = place.rsplit_once(':')?;
    let host = if host.is_empty() { asked.0.as_str() } else { host };
    Some((host.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_slots_that_the_specification_says() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
        assert_eq!(slot(b"foo{bar}{zap}"), slot(b"bar"));
    }

    #[test]
    fn ranges_lead_to_masters() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let node = |host: &str, port| Value::Array(vec![text(host), Value::Int(port), text("id")]);
        let answer = Value::Array(vec![
            Value::Array(vec![
                Value::Int(0),
                Value::Int(8191),
                node("a", 1),
                node("replica", 9),
            ]),
            Value::Array(vec![Value::Int(8192), Value::Int(16383), node("", 2)]),
        ]);
        let asked = ("me".to_owned(), 7);
        let slots = Slots::read(&answer, &asked).expect("slots");
        assert_eq!(slots.master(8191), Some(&("a".to_owned(), 1)));
        assert_eq!(slots.master(8192), Some(&("me".to_owned(), 2)));
        assert_eq!(slots.masters(), [("a".to_owned(), 1), ("me".to_owned(), 2)]);
        assert_eq!(Slots::read(&Value::Array(vec![]), &asked), None);
        assert_eq!(Slots::read(&Value::Nil, &asked), None);
    }

    #[test]
    fn directions_are_read() {
        let asked = ("me".to_owned(), 7);
        assert_eq!(
            target("MOVED 3999 10.0.0.1:6381", &asked),
            Some(("10.0.0.1".to_owned(), 6381))
        );
        assert_eq!(target("ASK 3999 :6381", &asked), Some(("me".to_owned(), 6381)));
        assert_eq!(target("MOVED", &asked), None);
    }
}
