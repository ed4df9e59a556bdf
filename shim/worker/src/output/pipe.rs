//! A pipe that somebody reads from time to time: what waits for its reader, and who waits for room.

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use shoal_service::Hold;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::Sender;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Bytes that wait for a slow reader, beside the 64 KiB that a pipe holds, before guests do.
const WAITING: usize = 64 << 10;

/// The same with what guests print that were told before that there is room: several at a time, a line of 1 MiB each. More is dropped.
const MOST_WAITING: usize = 4 << 20;

/// How long a reader may take for what waits when a task ends.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// One stream of a task.
pub(super) struct Pipe {
    write: OwnedFd,
    state: Mutex<State>,
    /// Who waits until there is room.
    room: Notify,
    /// Of both streams.
    all_dropped: Arc<AtomicU64>,
    runtime: Handle,
}

#[derive(Default)]
struct State {
    /// Lines, and the rest of one whose beginning was written.
    waiting: Vec<u8>,
    /// Lines that found no place.
    dropped: u64,
    /// Who writes them once the reader goes on.
    flusher: Option<AbortHandle>,
    /// The reader has read nothing for so long that no answer waits for it any more.
    is_unread: bool,
    /// Nobody reads any more.
    closed: bool,
}

impl Pipe {
    pub(super) fn new(write: OwnedFd, all_dropped: &Arc<AtomicU64>) -> io::Result<Arc<Self>> {
        fcntl_setfl(&write, fcntl_getfl(&write)? | OFlags::NONBLOCK)?;
        Ok(Arc::new(Self {
            write,
            state: Mutex::default(),
            room: Notify::new(),
            all_dropped: Arc::clone(all_dropped),
            runtime: Handle::current(),
        }))
    }

    pub(super) fn line(self: &Arc<Self>, line: &[u8]) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        if !state.add(line) {
            // Its line break is a byte, too.
            self.all_dropped
                .fetch_add(line.len() as u64 + 1, Ordering::Relaxed);
            return;
        }
        let write = |bytes: &[u8]| Ok(rustix::io::write(&self.write, bytes)?);
        if state.flusher.is_none()
            && !state.write(write)
            && let Ok(other) = self.write.try_clone()
        {
            let flushing = self.runtime.spawn(flush(Arc::downgrade(self), other));
            state.flusher = Some(flushing.abort_handle());
        }
    }

    pub(super) async fn wait_for_room(&self, hold: Hold) {
        loop {
            let mut woken = pin!(self.room.notified());
            // From here on no call is missed.
            woken.as_mut().enable();
            if self.state().has_room(hold) {
                return;
            }
            woken.await;
        }
    }

    pub(super) fn has_room(&self, hold: Hold) -> bool {
        self.state().has_room(hold)
    }

    /// No answer waits for the reader any more, until it reads again.
    pub(super) fn give_up(&self) {
        self.state().is_unread = true;
        self.room.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&self, hold: Hold) -> bool {
        self.closed || self.waiting.len() < WAITING || (self.is_unread && hold == Hold::WhileRead)
    }

    /// Puts a line behind those that wait; false where there is no room.
    fn add(&mut self, line: &[u8]) -> bool {
        let most = if self.is_unread { WAITING } else { MOST_WAITING };
        if !self.waiting.is_empty() && self.waiting.len() + line.len() >= most {
            self.dropped += 1;
            return false;
        }
        if self.dropped > 0 {
            let dropped = std::mem::take(&mut self.dropped);
            let note = format!("shoal: {dropped} lines were dropped: they were not read fast enough\n");
            self.waiting.extend_from_slice(note.as_bytes());
        }
        self.waiting.extend_from_slice(line);
        self.waiting.push(b'\n');
        true
    }

    /// Writes what waits; false where a part of it still does.
    fn write(&mut self, mut pipe: impl FnMut(&[u8]) -> io::Result<usize>) -> bool {
        let mut written = 0;
        let done = loop {
            let rest = self.waiting.get(written..).unwrap_or_default();
            if rest.is_empty() {
                break true;
            }
            match pipe(rest).map_err(|error| error.kind()) {
                Ok(bytes) => {
                    written += bytes;
                    self.is_unread = false;
                }
                Err(io::ErrorKind::Interrupted) => {}
                Err(io::ErrorKind::WouldBlock) => break false,
                Err(_) => {
                    self.closed = true;
                    break true;
                }
            }
        };
        if done {
            // Most tasks print rarely: what they printed last need not be held.
            self.waiting = Vec::new();
        } else {
            self.waiting.drain(..written);
        }
        done
    }
}

/// The task has ended. Its log is at its end once nobody holds the pipe any more, so what still waits has only so long.
impl Drop for Pipe {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(flusher) = &state.flusher {
            flusher.abort();
        }
        let waiting = std::mem::take(&mut state.waiting);
        if !waiting.is_empty()
            && let Ok(other) = self.write.try_clone()
        {
            self.runtime
                .spawn(tokio::time::timeout(LAST_WORDS, finish(waiting, other)));
        }
    }
}

async fn finish(waiting: Vec<u8>, write: OwnedFd) -> io::Result<()> {
    Sender::from_owned_fd(write)?.write_all(&waiting).await
}

/// Writes what waits as the reader makes room, then ends.
async fn flush(pipe: Weak<Pipe>, write: OwnedFd) {
    let Ok(write) = Sender::from_owned_fd(write) else {
        return;
    };
    loop {
        let ready = write.writable().await;
        let Some(pipe) = pipe.upgrade() else { return };
        let mut state = pipe.state();
        let done = ready.is_err() || state.write(|bytes| write.try_write(bytes));
        if done {
            state.flusher = None;
        }
        let has_room = state.has_room(Hold::UntilDeadline);
        drop(state);
        if has_room {
            pipe.room.notify_waiters();
        }
        if done {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{PipeReader, Read};

    fn pipe() -> (PipeReader, Arc<Pipe>) {
        let (read, write) = std::io::pipe().unwrap();
        (read, Pipe::new(write.into(), &Arc::default()).unwrap())
    }

    fn read_all(mut read: PipeReader) -> tokio::task::JoinHandle<String> {
        tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            read.read_to_string(&mut text).unwrap();
            text
        })
    }

    #[tokio::test]
    async fn one_that_waits_for_room_loses_nothing() {
        let (read, pipe) = pipe();
        let line = [b'x'; 999];
        for _ in 0..500 {
            if !pipe.has_room(Hold::UntilDeadline) {
                break;
            }
            pipe.line(&line);
        }
        let mut waits = Box::pin(pipe.wait_for_room(Hold::UntilDeadline));
        assert!(futures_pending(waits.as_mut()).await, "nobody reads");
        let written = pipe.state().waiting.len();
        assert!((WAITING..WAITING + 1000).contains(&written), "{written}");
        let reading = read_all(read);
        waits.await;
        let long = vec![b'y'; 1 << 20];
        pipe.line(&long);
        for _ in 0..1000 {
            pipe.wait_for_room(Hold::UntilDeadline).await;
            pipe.line(&line);
        }
        assert_eq!(pipe.all_dropped.load(Ordering::Relaxed), 0);
        drop(pipe);
        let text = reading.await.unwrap();
        assert!(text.lines().any(|it| it.as_bytes() == long));
        assert!(text.lines().filter(|it| it.as_bytes() == line).count() > 1000);
    }

    /// Whether it still waits, once everything else has had its turn.
    async fn futures_pending(mut future: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending())).await
    }

    #[tokio::test]
    async fn where_nobody_reads_an_answer_goes_on_and_its_lines_are_counted() {
        let (read, pipe) = pipe();
        let line = [b'x'; 999];
        let mut printed = 0;
        while pipe.has_room(Hold::WhileRead) {
            pipe.line(&line);
            printed += 1;
        }
        pipe.give_up();
        assert!(pipe.has_room(Hold::WhileRead));
        assert!(!pipe.has_room(Hold::UntilDeadline));
        for _ in 0..10 {
            pipe.line(&line);
        }
        assert_eq!(pipe.all_dropped.load(Ordering::Relaxed), 10 * 1000);
        let reading = read_all(read);
        pipe.wait_for_room(Hold::UntilDeadline).await;
        assert!(!pipe.state().is_unread, "somebody reads again");
        pipe.line(b"last");
        drop(pipe);
        let text = reading.await.unwrap();
        let note = "shoal: 10 lines were dropped: they were not read fast enough\nlast\n";
        assert!(text.ends_with(note), "{}", &text[text.len() - 200..]);
        let whole = text.lines().filter(|it| it.as_bytes() == line).count();
        assert_eq!(whole, printed);
    }

    #[tokio::test]
    async fn what_nobody_waited_for_is_bounded() {
        let (_read, pipe) = pipe();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..100 {
            pipe.line(&line);
        }
        assert!(pipe.state().waiting.len() <= MOST_WAITING);
        assert!(pipe.state().dropped > 90);
    }

    #[tokio::test]
    async fn what_waits_when_a_task_ends_is_still_written() {
        let (read, pipe) = pipe();
        let lines = 100;
        for _ in 0..lines {
            pipe.line(&[b'x'; 999]);
        }
        assert!(!pipe.state().waiting.is_empty() && pipe.state().dropped == 0);
        drop(pipe);
        assert_eq!(read_all(read).await.unwrap().len(), lines * 1000);
    }

    #[tokio::test]
    async fn nobody_reads_and_nobody_waits() {
        let (read, pipe) = pipe();
        drop(read);
        pipe.line(b"one");
        pipe.line(b"two");
        assert!(pipe.state().closed && pipe.state().waiting.is_empty());
        pipe.wait_for_room(Hold::UntilDeadline).await;
    }
}
