//! What becomes of an entry once its call has ended, or where there can be none: acknowledged, at rest, or with the dead letters.

use super::Stream;
use super::entry::{self, Fields};
use super::streams::Consumer;
use crate::event::count;
use shoal_redis::cmd;

/// An entry that was read again by itself.
pub(super) enum Alone {
    /// It is there.
    Fields(Fields),
    /// It has been deleted.
    Gone,
    /// It is larger than allowed.
    TooLarge,
}

impl Consumer {
    /// An entry that came without its fields: all that come with one answer may be too large while each is not. None where the server
    /// does not say; then it stays pending.
    pub(super) async fn alone(&self, id: &str) -> Option<Alone> {
        let mut range = cmd("XRANGE");
        let answer = self.run(range.arg(&self.stream.key).arg(id).arg(id), true).await;
        let entries = entry::of_claim(answer.ok()?)?;
        Some(match entries.into_iter().next() {
            None => Alone::Gone,
            Some(entry) => entry.fields.map_or(Alone::TooLarge, Alone::Fields),
        })
    }

    /// Its rest begins now, and not when the call began that failed. Where that can't be said, the rest is shorter.
    pub(super) async fn rest(&self, id: &str) {
        let Stream { key, group, .. } = &self.stream;
        let mut claim = cmd("XCLAIM");
        claim.arg(key).arg(group).arg(&self.name).arg(0).arg(id);
        drop(self.run(claim.arg("IDLE").arg(0).arg("JUSTID"), false).await);
    }

    /// Acknowledges, however long the server is away: what went well is not to be done again.
    pub(super) async fn acknowledge(&self, id: &str) {
        let mut acknowledge = cmd("XACK");
        acknowledge.arg(&self.stream.key).arg(&self.stream.group).arg(id);
        for attempt in 0.. {
            match self.run(&acknowledge, true).await {
                Ok(_) => return,
                Err(_) if self.stopped() => return,
                Err(error) => tracing::debug!("cannot acknowledge {id}: {error}"),
            }
            self.shared.pause(attempt).await;
        }
    }

    /// Puts an entry into the dead-letter stream, then acknowledges it: cut off in between, it is there twice and never lost.
    pub(super) async fn bury(&self, id: &str, fields: &[(Vec<u8>, Vec<u8>)], attempt: u32, why: &str) {
        let Stream {
            key,
            dead_letter,
            group,
            ..
        } = &self.stream;
        let mut add = cmd("XADD");
        add.arg(dead_letter).arg("*");
        for (name, value) in fields {
            add.arg(name).arg(value);
        }
        let why: String = why.chars().take(1000).collect();
        let about = [
            ("shoal-stream", key.as_str()),
            ("shoal-id", id),
            ("shoal-group", group),
            ("shoal-error", &why),
        ];
        for (name, value) in about {
            add.arg(name).arg(value);
        }
        add.arg("shoal-attempts").arg(attempt);
        let (service, trigger) = (&self.shared.options.service, &self.shared.options.name);
        match self
            .shared
            .options
            .client
            .run(dead_letter.as_bytes(), &add, false)
            .await
        {
            Ok(_) => {
                count(&self.shared.counters().dead);
                tracing::warn!(
                    service,
                    trigger,
                    entry = id,
                    attempts = attempt,
                    "to {dead_letter}: {why}"
                );
                self.acknowledge(id).await;
            }
            // It stays pending, and comes here again.
            Err(error) => tracing::warn!(
                service,
                trigger,
                entry = id,
                "cannot write to {dead_letter}: {error}"
            ),
        }
    }
}
