//! Messages of channels and patterns. Redis keeps none for those who are not there, so what can't be taken at once is counted and
//! gone.

use super::Shared;
use crate::event::{Event, count};
use futures::StreamExt;
use shoal_redis::{Error, Msg, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Bytes of messages that wait.
const QUEUED: usize = 64 << 20;

/// How often a quiet connection is asked whether it is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_secs(5);

pub(super) async fn listen(shared: Arc<Shared>) {
    let (queue, waiting) = mpsc::channel(shared.options.queue.max(1));
    let bytes = Arc::new(AtomicUsize::new(0));
    let dispatcher = tokio::spawn(dispatch(Arc::clone(&shared), waiting, Arc::clone(&bytes)));
    let take = |message: Msg| {
        let Some(event) = event(&message) else {
            count(&shared.counters().oversized);
            return;
        };
        let size = event.payload.len();
        let fits = bytes.fetch_add(size, Ordering::Relaxed) + size <= QUEUED;
        if !fits || queue.try_send(event).is_err() {
            bytes.fetch_sub(size, Ordering::Relaxed);
            count(&shared.counters().dropped);
        }
    };
    let mut attempt = 0;
    while !shared.stop.is_cancelled() {
        match follow(&shared, &take, &mut attempt).await {
            Ok(()) => break,
            Err(error) => {
                shared.lost(attempt, &error);
                shared.pause(attempt).await;
                attempt += 1;
            }
        }
    }
    drop(queue);
    drop(dispatcher.await);
}

/// Until the end, or the end of the connection.
async fn follow(shared: &Shared, take: &(impl Fn(Msg) + Sync), attempt: &mut u32) -> Result<(), String> {
    let options = &shared.options;
    let mut connection = options
        .client
        .subscriber()
        .await
        .map_err(|error: Error| error.to_string())?;
    let text = |error: shoal_redis::RedisError| error.to_string();
    if !options.channels.is_empty() {
        connection.subscribe(&options.channels).await.map_err(text)?;
    }
    if !options.patterns.is_empty() {
        connection.psubscribe(&options.patterns).await.map_err(text)?;
    }
    shared.back(std::mem::take(attempt));
    let (mut sink, mut messages) = connection.split();
    let mut ping = tokio::time::interval_at(tokio::time::Instant::now() + PING, PING);
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => take(message),
                None => return Err(format!("the connection to Redis at {} ended", options.client.place())),
            },
            _ = ping.tick() => {
                let pong = tokio::time::timeout(PONG, sink.ping::<Value>()).await;
                if !matches!(pong, Ok(Ok(_))) {
                    return Err(format!("Redis at {} does not answer", options.client.place()));
                }
            }
            () = shared.stop.cancelled() => return Ok(()),
        }
    }
}

/// None where the payload was too large to be taken off the wire.
fn event(message: &Msg) -> Option<Event> {
    match message.get_payload::<Value>() {
        Ok(Value::BulkString(payload)) => Some(Event {
            channel: message.get_channel_name().to_owned(),
            payload,
            attempt: 1,
            ..Event::default()
        }),
        _ => None,
    }
}

async fn dispatch(shared: Arc<Shared>, mut waiting: mpsc::Receiver<Event>, bytes: Arc<AtomicUsize>) {
    while let Some(event) = waiting.recv().await {
        let Ok(place) = Arc::clone(&shared.places).acquire_owned().await else {
            return;
        };
        bytes.fetch_sub(event.payload.len(), Ordering::Relaxed);
        let this = Arc::clone(&shared);
        shared.spawn(async move {
            count(&this.counters().calls);
            // The handler's log says what went wrong.
            match this.handler.handle(event).await {
                Ok(()) => count(&this.counters().succeeded),
                Err(_) => count(&this.counters().failed),
            }
            drop(place);
        });
    }
}
