//! What a call and the one who waits for it share: the head of the answer, and how the call ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime_wasi_http::WasiBody;

/// The head of an answer, with its body on the way.
pub(crate) type Head = Result<http::Response<WasiBody>, String>;

/// Shared by the guest's call and the connection that waits for its answer.
#[derive(Default)]
pub(crate) struct Exchange {
    head: Mutex<Option<Head>>,
    /// Set before the store is dropped: a body whose writer is gone looks like one that is at its end.
    failed: AtomicBool,
    too_large: AtomicBool,
}

impl Exchange {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
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

    /// The request's body was larger than allowed, which its reader, the guest, may answer as it likes.
    pub(crate) fn request_too_large(&self) {
        self.too_large.store(true, Ordering::Release);
    }

    pub(crate) fn was_request_too_large(&self) -> bool {
        self.too_large.load(Ordering::Acquire)
    }
}
