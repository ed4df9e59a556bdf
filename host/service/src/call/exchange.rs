//! What a call and the one who waits for it share: the head of the answer, and how the call ended.

use crate::call::deadline::Due;
use crate::call::pace::{Look, Pace};
use shoal_capability::Waiting;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::time::Instant;
use wasmtime_wasi_http::WasiBody;

/// The head of an answer, with its body on the way.
pub(crate) type Head = Result<http::Response<WasiBody>, String>;

/// Shared by the guest's call and the connection that waits for its answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    head: Mutex<Option<Head>>,
    /// Set before the store is dropped: a body whose writer is gone looks like one that is at its end.
    failed: AtomicBool,
    broken: OnceLock<Broken>,
    pub(crate) pace: Pace,
}

/// Why the body of a request was broken off here, which its reader, the guest, may answer as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It was larger than allowed.
    TooLarge,
    /// No more of it came.
    Stalled,
}

impl Exchange {
    pub(crate) fn new(pace: Pace) -> Arc<Self> {
        Arc::new(Self {
            head: Mutex::default(),
            failed: AtomicBool::new(false),
            broken: OnceLock::new(),
            pace,
        })
    }

    pub(crate) fn put(&self, head: Head) {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
    }

    pub(crate) fn take(&self) -> Option<Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// The body of the request was broken off. The first reason counts.
    pub(crate) fn break_request(&self, why: Broken) {
        // Fails where there is a reason already.
        let _ = self.broken.set(why);
    }

    pub(crate) fn request_broken(&self) -> Option<Broken> {
        self.broken.get().copied()
    }
}

/// What the call calls is waited for no longer than the call itself.
impl Waiting for Exchange {
    fn until(&self) -> Option<Instant> {
        self.pace.head_by()
    }
}

impl Due for Arc<Exchange> {
    fn look(&self, now: Instant) -> Look {
        self.pace.look(now)
    }
}
