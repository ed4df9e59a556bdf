//! Streams, read as one consumer of a group. An entry is acknowledged once its call went well, so a call may come twice and none is
//! lost: <https://redis.io/docs/latest/develop/data-types/streams/#consumer-groups>.

use super::claim::{Hands, Pending, Turn, rows, turn};
use super::entry::{self, Entry, Fields};
use super::settle::Alone;
use super::{Shared, Stream};
use crate::event::count;
use shoal_redis::{Apart, Error, Value, cmd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// How long a read waits for entries.
const BLOCK: Duration = Duration::from_secs(1);
/// How long anything else may take.
const ANSWER: Duration = Duration::from_secs(5);
/// Entries of one read at the most: all of them are in memory at once.
const MOST: usize = 16;
/// Rows of pending entries at a time.
const ROWS: usize = 100;

/// A consumer.
pub(super) struct Consumer {
    pub(super) shared: Arc<Shared>,
    pub(super) stream: Stream,
    /// Its name in the group: of this run alone, since another may still be at work under an older one.
    pub(super) name: String,
    hands: Mutex<Hands>,
}

pub(super) async fn read(shared: Arc<Shared>, stream: Stream) {
    let consumer = Arc::new(Consumer {
        name: format!("shoal-{:016x}", rand::random::<u64>()),
        shared,
        stream,
        hands: Mutex::default(),
    });
    let pending = tokio::spawn(look_after(Arc::clone(&consumer)));
    let mut attempt = 0;
    while !consumer.stopped() {
        match consumer.follow(&mut attempt).await {
            Ok(()) => break,
            Err(error) => {
                consumer.shared.lost(attempt, &error);
                consumer.shared.pause(attempt).await;
                attempt += 1;
            }
        }
    }
    drop(pending.await);
    consumer.shared.finished().await;
    consumer.leave().await;
}

/// Looks at what is pending, now and then.
async fn look_after(consumer: Arc<Consumer>) {
    let every = (consumer.stream.retry_after / 4).clamp(Duration::from_millis(50), Duration::from_secs(5));
    while !consumer.stopped() {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = consumer.shared.stop.cancelled() => return,
        }
        // The reader says what is wrong with the server.
        if let Err(error) = consumer.look().await {
            tracing::debug!("pending entries of {}: {error}", consumer.stream.key);
        }
    }
}

impl Consumer {
    pub(super) fn stopped(&self) -> bool {
        self.shared.stop.is_cancelled()
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn run(&self, command: &shoal_redis::Cmd, repeatable: bool) -> Result<Value, Error> {
        let key = self.stream.key.as_bytes();
        self.shared.options.client.run(key, command, repeatable).await
    }

    /// Makes the group where it is missing. It begins with the oldest entry: what was sent before is not lost either.
    async fn join(&self) -> Result<(), Error> {
        let mut create = cmd("XGROUP");
        create.arg("CREATE").arg(&self.stream.key).arg(&self.stream.group);
        match self.run(create.arg("0").arg("MKSTREAM"), true).await {
            Err(error) if error.code() != "BUSYGROUP" => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads until the end, or the end of the connection.
    async fn follow(self: &Arc<Self>, attempt: &mut u32) -> Result<(), Error> {
        self.join().await?;
        let mut connection = self
            .shared
            .options
            .client
            .apart(self.stream.key.as_bytes())
            .await?;
        self.shared.back(*attempt);
        while !self.stopped() {
            // A place is not held while nothing comes: retries and other streams need it.
            match self.place().await {
                Some(place) => drop(place),
                None => return Ok(()),
            }
            let free = self.shared.places.available_permits().clamp(1, MOST);
            self.hands().reading = Some(Instant::now());
            let read = self.next(&mut connection, free).await;
            let entries = match self.received(read) {
                Err(error) if error.code() == "NOGROUP" => {
                    self.join().await?;
                    continue;
                }
                entries => entries?,
            };
            *attempt = 0;
            for entry in entries {
                // At the end those without a place stay pending, for others.
                let Some(place) = self.place().await else {
                    return Ok(());
                };
                self.begin(entry, 1, place);
            }
        }
        Ok(())
    }

    /// A place, in the order in which they were asked for. None at the end.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            () = self.shared.stop.cancelled() => None,
            place = Arc::clone(&self.shared.places).acquire_owned() => place.ok(),
        }
    }

    /// Takes the entries of an answer, all of them before the read counts as over.
    fn received(self: &Arc<Self>, read: Result<Vec<Entry>, Error>) -> Result<Vec<Taken>, Error> {
        let taken = read.map(|entries| {
            let taken = entries.into_iter().map(|entry| self.taken(entry));
            taken.collect::<Vec<_>>()
        });
        let mut hands = self.hands();
        hands.reading = None;
        for it in taken.iter().flatten() {
            hands.received(&it.entry.id);
        }
        drop(hands);
        taken
    }

    /// Nobody else is to begin with this entry until it is dropped.
    fn taken(self: &Arc<Self>, entry: Entry) -> Taken {
        self.hands().busy.insert(entry.id.clone());
        Taken {
            consumer: Arc::clone(self),
            entry,
        }
    }

    async fn next(&self, connection: &mut Apart, most: usize) -> Result<Vec<Entry>, Error> {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(&self.stream.group).arg(&self.name);
        read.arg("COUNT")
            .arg(most)
            .arg("BLOCK")
            .arg(BLOCK.as_millis().to_string());
        read.arg("STREAMS").arg(&self.stream.key).arg(">");
        let answer = connection.run(&read, BLOCK + ANSWER).await?;
        entry::of_read(answer).ok_or_else(|| self.odd("XREADGROUP"))
    }

    pub(super) fn odd(&self, command: &str) -> Error {
        Error::Odd {
            server: self.shared.options.client.place(),
            reason: format!("it is no answer to {command}"),
        }
    }

    /// Calls the handler for an entry, beside.
    fn begin(&self, taken: Taken, attempt: u32, place: OwnedSemaphorePermit) {
        self.shared.spawn(async move {
            let mut taken = taken;
            let fields = taken.entry.fields.take();
            taken.consumer.call(&taken.entry.id, fields, attempt).await;
            drop(taken);
            drop(place);
        });
    }

    async fn call(&self, id: &str, fields: Option<Fields>, attempt: u32) {
        let counters = self.shared.counters();
        let fields = match fields {
            Some(fields) => fields,
            None => match self.alone(id).await {
                Some(Alone::Fields(fields)) => fields,
                Some(Alone::Gone) => return self.acknowledge(id).await,
                Some(Alone::TooLarge) => {
                    count(&counters.oversized);
                    let why = "it is larger than the component's limits.requestBody";
                    return self.bury(id, &[], attempt, why).await;
                }
                None => return,
            },
        };
        count(&counters.calls);
        let event = entry::event(&self.stream.key, id, &fields, attempt);
        match self.shared.handler.handle(event).await {
            Ok(()) => {
                count(&counters.succeeded);
                self.acknowledge(id).await;
            }
            Err(failed) => {
                count(&counters.failed);
                match attempt >= self.stream.max_attempts {
                    true => self.bury(id, &fields, attempt, &failed.reason).await,
                    false => self.rest(id).await,
                }
            }
        }
    }

    /// Tries again, or gives up, what is pending and was left alone for long enough.
    async fn look(self: &Arc<Self>) -> Result<(), Error> {
        let mut from = "-".to_owned();
        loop {
            let mut ask = cmd("XPENDING");
            ask.arg(&self.stream.key).arg(&self.stream.group);
            let answer = self.run(ask.arg(&from).arg("+").arg(ROWS), true).await?;
            let rows = rows(&answer).ok_or_else(|| self.odd("XPENDING"))?;
            let last = rows
                .last()
                .filter(|_| rows.len() == ROWS)
                .map(|row| row.id.clone());
            for row in &rows {
                let held = self.hands().hold(row, &self.name, Instant::now());
                match turn(row, &self.name, held, &self.stream) {
                    Turn::Leave => {}
                    _ if self.stopped() => return Ok(()),
                    Turn::Again(rest) => self.again(row, rest).await?,
                    Turn::Dead(rest) => {
                        for entry in self.claim(row, rest).await? {
                            let fields = entry.fields.unwrap_or_default();
                            let why = "it was tried as often as it may be, and the last call did not end";
                            self.bury(&entry.id, &fields, row.deliveries, why).await;
                        }
                    }
                }
            }
            match last {
                Some(last) => from = format!("({last}"),
                None => return Ok(()),
            }
        }
    }

    async fn again(self: &Arc<Self>, row: &Pending, rest: Duration) -> Result<(), Error> {
        let Some(place) = self.place().await else {
            return Ok(());
        };
        if let Some(entry) = self.claim(row, rest).await?.into_iter().next() {
            count(&self.shared.counters().retried);
            if row.consumer != self.name {
                count(&self.shared.counters().taken);
            }
            self.begin(self.taken(entry), row.deliveries.saturating_add(1), place);
        }
        Ok(())
    }

    /// Takes an entry, unless somebody else did in the meantime: then it has not been left alone for `rest`.
    async fn claim(&self, row: &Pending, rest: Duration) -> Result<Vec<Entry>, Error> {
        let mut claim = cmd("XCLAIM");
        claim
            .arg(&self.stream.key)
            .arg(&self.stream.group)
            .arg(&self.name);
        claim.arg(rest.as_millis().to_string()).arg(&row.id);
        entry::of_claim(self.run(&claim, false).await?).ok_or_else(|| self.odd("XCLAIM"))
    }

    /// Takes its name out of the group, unless entries are pending under it, which would go with it.
    async fn leave(&self) {
        let mut ask = cmd("XPENDING");
        ask.arg(&self.stream.key)
            .arg(&self.stream.group)
            .arg("-")
            .arg("+")
            .arg(1)
            .arg(&self.name);
        let none = |rows: Vec<Pending>| rows.is_empty();
        let asked = tokio::time::timeout(ANSWER, self.run(&ask, true)).await;
        if let Ok(Ok(answer)) = asked
            && rows(&answer).is_some_and(none)
        {
            let mut delete = cmd("XGROUP");
            delete
                .arg("DELCONSUMER")
                .arg(&self.stream.key)
                .arg(&self.stream.group)
                .arg(&self.name);
            drop(tokio::time::timeout(ANSWER, self.run(&delete, true)).await);
        }
    }
}

/// An entry that waits for a call or has one, until this is dropped.
struct Taken {
    consumer: Arc<Consumer>,
    entry: Entry,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.consumer.hands().busy.remove(&self.entry.id);
    }
}
