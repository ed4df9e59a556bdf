//! Which pending entries of a group are to be tried again, and which have been tried often enough. Pure.

use super::Stream;
use shoal_redis::Value;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// A row of XPENDING: an entry that was handed out and not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) id: String,
    pub(super) consumer: String,
    /// How long ago it was handed out last.
    pub(super) idle: Duration,
    /// How often.
    pub(super) deliveries: u32,
}

/// What is to be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing, yet.
    Leave,
    /// Try it again, if it has been left alone for so long.
    Again(Duration),
    /// It was tried often enough.
    Dead(Duration),
}

/// The entries that a consumer has, or is about to have.
#[derive(Debug, Default)]
pub(super) struct Hands {
    /// Those that wait for a call or have one.
    pub(super) busy: HashSet<String>,
    /// When the read began whose answer is on its way.
    pub(super) reading: Option<Instant>,
    /// The last one that came with an answer. The next answer has later ones alone.
    last: (u64, u64),
}

impl Hands {
    /// Takes note of an entry that came with the answer to a read.
    pub(super) fn received(&mut self, id: &str) {
        self.last = self.last.max(number(id));
    }

    /// Whether an entry of ours has a call, or may be in an answer that is on its way: the server counts it as handed out from the
    /// moment when it began to answer, and a large answer takes its time.
    pub(super) fn hold(&self, pending: &Pending, me: &str, now: Instant) -> bool {
        let on_its_way = |began: Instant| pending.idle <= now.saturating_duration_since(began);
        let later = pending.consumer == me && number(&pending.id) > self.last;
        self.busy.contains(&pending.id) || (later && self.reading.is_some_and(on_its_way))
    }
}

/// An entry's id as numbers: `MILLISECONDS-SEQUENCE`.
fn number(id: &str) -> (u64, u64) {
    let (time, sequence) = id.split_once('-').unwrap_or((id, "0"));
    let number = |text: &str| text.parse().unwrap_or_default();
    (number(time), number(sequence))
}

/// `busy` says whether a call of ours is working on it, or will soon.
pub(super) fn turn(pending: &Pending, me: &str, busy: bool, stream: &Stream) -> Turn {
    let rest = match pending.consumer == me {
        _ if busy => return Turn::Leave,
        true => stream.retry_after,
        false => stream.abandoned_after,
    };
    if pending.idle < rest {
        Turn::Leave
    } else if pending.deliveries >= stream.max_attempts {
        Turn::Dead(rest)
    } else {
        Turn::Again(rest)
    }
}

/// The rows of an answer to XPENDING with a range.
pub(super) fn rows(answer: &Value) -> Option<Vec<Pending>> {
    let Value::Array(rows) = answer else { return None };
    rows.iter().map(row).collect()
}

fn row(row: &Value) -> Option<Pending> {
    let Value::Array(parts) = row else { return None };
    let [
        Value::BulkString(id),
        Value::BulkString(consumer),
        Value::Int(idle),
        Value::Int(deliveries),
    ] = parts.as_slice()
    else {
        return None;
    };
    Some(Pending {
        id: String::from_utf8(id.clone()).ok()?,
        consumer: String::from_utf8_lossy(consumer).into_owned(),
        idle: Duration::from_millis((*idle).try_into().unwrap_or_default()),
        deliveries: (*deliveries).try_into().unwrap_or(u32::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream {
            key: "s".to_owned(),
            group: "g".to_owned(),
            max_attempts: 3,
            retry_after: Duration::from_secs(10),
            abandoned_after: Duration::from_secs(60),
            dead_letter: "s.dead".to_owned(),
        }
    }

    #[test]
    fn an_entry_rests_is_tried_again_and_ends() {
        let at = |consumer: &str, idle, deliveries, busy| {
            let pending = Pending {
                id: "1-0".to_owned(),
                consumer: consumer.to_owned(),
                idle: Duration::from_secs(idle),
                deliveries,
            };
            turn(&pending, "me", busy, &stream())
        };
        let (own, other) = (Duration::from_secs(10), Duration::from_secs(60));
        assert_eq!(at("me", 9, 1, false), Turn::Leave);
        assert_eq!(at("me", 10, 1, false), Turn::Again(own));
        assert_eq!(at("me", 10, 2, false), Turn::Again(own));
        assert_eq!(at("me", 10, 3, false), Turn::Dead(own));
        assert_eq!(at("me", 1000, 3, true), Turn::Leave);
        // Another consumer may still be working on it.
        assert_eq!(at("other", 59, 1, false), Turn::Leave);
        assert_eq!(at("other", 60, 1, false), Turn::Again(other));
        assert_eq!(at("other", 60, 7, false), Turn::Dead(other));
    }

    #[test]
    fn what_is_on_its_way_is_not_tried_again() {
        let began = Instant::now();
        let at = |id: &str, consumer: &str, idle| {
            let mut hands = Hands {
                reading: Some(began),
                ..Hands::default()
            };
            hands.received("9-3");
            hands.received("7-1");
            hands.busy.insert("5-0".to_owned());
            let pending = Pending {
                id: id.to_owned(),
                consumer: consumer.to_owned(),
                idle: Duration::from_millis(idle),
                deliveries: 1,
            };
            hands.hold(&pending, "me", began + Duration::from_millis(200))
        };
        assert!(at("10-0", "me", 200), "handed out when the read began");
        assert!(at("9-10", "me", 60));
        assert!(!at("9-10", "me", 201), "handed out with an answer that was lost");
        assert!(!at("9-3", "me", 60), "it has been here");
        assert!(!at("10-0", "other", 60));
        assert!(at("5-0", "me", 1000));
    }

    #[test]
    fn rows_are_read() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let answer = Value::Array(vec![Value::Array(vec![
            text("1-0"),
            text("me"),
            Value::Int(12),
            Value::Int(2),
        ])]);
        let rows = rows(&answer).expect("rows");
        assert_eq!(
            (rows[0].id.as_str(), rows[0].idle.as_millis(), rows[0].deliveries),
            ("1-0", 12, 2)
        );
        assert_eq!(super::rows(&Value::Nil), None);
    }
}
