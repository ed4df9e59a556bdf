//! Bodies that a component of WASI 0.2 writes before it says what they are for: an answer's before `response-outparam.set`, a request's
//! before `outgoing-handler.handle`. Nobody reads them yet, and the writer of wasmtime-wasi-http waits for a reader once two chunks are
//! written. So what is written until then is kept here, up to a bound; beyond it the instance ends with an error that says why.
//!
//! A body that is written in the usual order costs a look at a short list, and nothing of this is made.

use crate::State;
use crate::views::Http;
use bytes::Bytes;
use futures::task::noop_waker_ref;
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource};
use wasmtime_wasi::p2::pipe::ClosedOutputStream;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_http::p2::bindings::http::types as http2;
use wasmtime_wasi_http::p2::body::HostOutgoingBody;
use wasmtime_wasi_http::p2::types::{HostOutgoingRequest, HostOutgoingResponse};
use wasmtime_wasi_http::{Error, WasiBody};

/// A component keeps more than it may of bodies that nobody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "limits.memory: the component wrote more than {limit} bytes of a body before it called {call}; nobody reads a body before \
     that: call it first, then write the body"
)]
struct WrittenTooEarly {
    call: &'static str,
    limit: u64,
}

/// The bodies of an instance that are being made.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    /// Bodies that nobody has written to yet, with the answers or requests that they belong to. The newest is apart: most instances
    /// have one.
    newest: Option<Pair>,
    older: Vec<Pair>,
    /// Bytes that are kept for this instance.
    kept: Option<Arc<AtomicU64>>,
}

/// Places in the instance's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    owner: u32,
    body: u32,
}

impl Opened {
    /// The body at `body` belongs to what is at `owner`. Places are used again, so what was there before is gone.
    fn insert(&mut self, owner: u32, body: u32) {
        let stays = |it: &Pair| it.owner != owner && it.body != body;
        self.older.retain(stays);
        self.older.extend(self.newest.filter(stays));
        self.newest = Some(Pair { owner, body });
    }

    /// What the body belongs to, unless that was asked before.
    fn take(&mut self, body: u32) -> Option<u32> {
        if self.newest.is_some_and(|it| it.body == body) {
            return self.newest.take().map(|it| it.owner);
        }
        let at = self.older.iter().position(|it| it.body == body)?;
        Some(self.older.swap_remove(at).owner)
    }
}

/// Takes the place of the functions that open a body. The linker must allow shadowing.
pub(crate) fn link(it: &mut LinkerInstance<'_, State>, http: Http) -> wasmtime::Result<()> {
    it.func_wrap(
        "[method]outgoing-response.body",
        move |mut store: StoreContextMut<'_, State>, (response,): (Resource<HostOutgoingResponse>,)| {
            let (state, owner) = (store.data_mut(), response.rep());
            let body = http2::HostOutgoingResponse::body(&mut http(state), response)?;
            Ok((note(state, owner, body),))
        },
    )?;
    it.func_wrap(
        "[method]outgoing-request.body",
        move |mut store: StoreContextMut<'_, State>, (request,): (Resource<HostOutgoingRequest>,)| {
            let (state, owner) = (store.data_mut(), request.rep());
            let body = http2::HostOutgoingRequest::body(&mut http(state), request)?;
            Ok((note(state, owner, body),))
        },
    )?;
    it.func_wrap(
        "[method]outgoing-body.write",
        move |mut store: StoreContextMut<'_, State>, (body,): (Resource<HostOutgoingBody>,)| {
            let (state, at) = (store.data_mut(), body.rep());
            let stream = http2::HostOutgoingBody::write(&mut http(state), body)?;
            if let Ok(stream) = &stream {
                keep(state, at, stream)?;
            }
            Ok((stream,))
        },
    )
}

type Open = Result<Resource<HostOutgoingBody>, ()>;

fn note(state: &mut State, owner: u32, body: Open) -> Open {
    if let Ok(body) = &body {
        state.opened.insert(owner, body.rep());
    }
    body
}

/// Keeps what is written to `stream` from now on, if the body at `body` belongs to something that is still with the guest.
fn keep(state: &mut State, body: u32, stream: &Resource<DynOutputStream>) -> wasmtime::Result<()> {
    let limit = state.limiter().limits().memory;
    let Some(owner) = state.opened.take(body) else {
        return Ok(());
    };
    // Most answers were sent by now, and their place is free, or somebody else's.
    let Ok(owner) = state.table.get_any_mut(owner) else {
        return Ok(());
    };
    let (unread, call) = if let Some(response) = owner.downcast_mut::<HostOutgoingResponse>() {
        (&mut response.body, "response-outparam.set")
    } else if let Some(request) = owner.downcast_mut::<HostOutgoingRequest>() {
        (&mut request.body, "outgoing-handler.handle")
    } else {
        return Ok(());
    };
    let Some(inner) = unread.take() else {
        return Ok(());
    };
    let kept = Kept {
        inner,
        frames: VecDeque::new(),
        bytes: 0,
        read: false,
        total: Arc::clone(state.opened.kept.get_or_insert_default()),
    };
    let kept = Shared(Arc::new(Mutex::new(kept)));
    *unread = Some(UnsyncBoxBody::new(Reader(kept.clone())));
    let slot = state.table.get_mut(stream)?;
    let inner = std::mem::replace(slot, Box::new(ClosedOutputStream));
    *slot = Box::new(Writer {
        inner,
        kept,
        error: WrittenTooEarly { call, limit },
    });
    Ok(())
}

/// A body that nobody reads yet.
struct Kept {
    inner: WasiBody,
    frames: VecDeque<Bytes>,
    /// Bytes in the frames.
    bytes: u64,
    /// Somebody reads it now, or nobody ever will.
    read: bool,
    /// Bytes that are kept for the instance, of this body and others.
    total: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Kept>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Takes what the guest has written, so that it can write more.
    fn take_in(&mut self, error: WrittenTooEarly) -> StreamResult<()> {
        let mut nobody = Context::from_waker(noop_waker_ref());
        while !self.read {
            if self.total.load(Ordering::Relaxed) > error.limit {
                return Err(StreamError::Trap(error.into()));
            }
            let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut self.inner).poll_frame(&mut nobody) else {
                break;
            };
            let Ok(data) = frame.into_data() else { break };
            let size = data.len() as u64;
            self.bytes += size;
            self.frames.push_back(data);
            self.total.fetch_add(size, Ordering::Relaxed);
        }
        Ok(())
    }

    fn release(&mut self, bytes: u64) {
        self.bytes -= bytes;
        self.total.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.release(self.bytes);
    }
}

/// The end that the guest writes to.
struct Writer {
    inner: DynOutputStream,
    kept: Shared,
    error: WrittenTooEarly,
}

#[async_trait::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        let full = self.kept.lock().take_in(self.error).is_err();
        // What is wrong is told by the next `check_write`.
        if !full {
            self.inner.ready().await;
        }
    }
}

#[async_trait::async_trait]
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.kept.lock().take_in(self.error)?;
        self.inner.check_write()
    }
}

/// The end that is read once the guest has said what the body is for.
struct Reader(Shared);

impl Body for Reader {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut kept = self.0.lock();
        kept.read = true;
        if let Some(data) = kept.frames.pop_front() {
            kept.release(data.len() as u64);
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Pin::new(&mut kept.inner).poll_frame(context)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut kept = self.0.lock();
        kept.read = true;
        // The writer learns from this that nobody reads.
        kept.inner = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let bytes = kept.bytes;
        kept.release(bytes);
        kept.frames = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(opened: &mut Opened, bodies: &[u32]) -> Vec<Option<u32>> {
        bodies.iter().map(|body| opened.take(*body)).collect()
    }

    #[test]
    fn each_body_is_found_once_and_places_that_are_used_again_are_the_last_ones() {
        let mut opened = Opened::default();
        opened.insert(1, 2);
        opened.insert(3, 4);
        opened.insert(5, 6);
        assert_eq!(
            pairs(&mut opened, &[4, 4, 6, 2]),
            [Some(3), None, Some(5), Some(1)]
        );
        // Another answer at the same place; its body at another's.
        opened.insert(1, 2);
        opened.insert(1, 3);
        opened.insert(7, 3);
        assert_eq!(pairs(&mut opened, &[2, 3, 3]), [None, Some(7), None]);
        assert_eq!((opened.newest, opened.older.len()), (None, 0));
    }

    #[test]
    fn what_is_kept_counts_until_it_is_read() {
        let error = WrittenTooEarly {
            call: "response-outparam.set",
            limit: 10,
        };
        let total = Arc::<AtomicU64>::default();
        let of = |bytes: &'static [u8]| {
            let frames = [Ok(Frame::data(Bytes::from_static(bytes)))];
            Kept {
                inner: http_body_util::StreamBody::new(futures::stream::iter(frames)).boxed_unsync(),
                frames: VecDeque::new(),
                bytes: 0,
                read: false,
                total: Arc::clone(&total),
            }
        };
        let (mut one, mut two) = (of(b"123456"), of(b"12345"));
        assert!(one.take_in(error).is_ok());
        assert!(matches!(two.take_in(error), Err(StreamError::Trap(_))));
        assert_eq!(total.load(Ordering::Relaxed), 11);
        let mut reader = Reader(Shared(Arc::new(Mutex::new(one))));
        let mut context = Context::from_waker(noop_waker_ref());
        let read = Pin::new(&mut reader).poll_frame(&mut context);
        assert!(matches!(read, Poll::Ready(Some(Ok(_)))));
        assert_eq!(total.load(Ordering::Relaxed), 5);
        drop((reader, two));
        assert_eq!(total.load(Ordering::Relaxed), 0);
    }
}
