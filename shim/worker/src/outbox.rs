//! What waits to be sent to the daemon. Nobody who has something to say waits for a daemon that does not read, or is not there.

use shoal_channel::{AsyncChannel, ChannelError};
use shoal_protocol::FromWorker;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Where packets are put. The number of tasks, and of connections that they may ask for at once, bounds how many there are.
#[derive(Clone)]
pub(crate) struct Outbox {
    queue: UnboundedSender<FromWorker>,
    waiting: Arc<AtomicUsize>,
}

/// The other end.
pub(crate) struct Queue {
    queue: UnboundedReceiver<FromWorker>,
    waiting: Arc<AtomicUsize>,
}

impl Outbox {
    pub(crate) fn new() -> (Self, Queue) {
        let (sender, queue) = unbounded_channel();
        let waiting = Arc::default();
        let outbox = Self {
            queue: sender,
            waiting: Arc::clone(&waiting),
        };
        (outbox, Queue { queue, waiting })
    }

    pub(crate) fn send(&self, message: FromWorker) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // Fails when the worker ends.
        let _ = self.queue.send(message);
    }

    /// Whether the daemon has everything, so that what is not urgent may be said too.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }
}

impl Queue {
    /// Sends what is put in, until the channel is closed.
    pub(crate) async fn drain(mut self, channel: Arc<AsyncChannel>) {
        while let Some(message) = self.queue.recv().await {
            match channel.send(&message, &[]).await {
                Ok(()) => {}
                Err(ChannelError::Closed | ChannelError::Io { .. }) => return,
                Err(error) => tracing::error!(%error, "a packet could not be sent"),
            }
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
