//! What a task prints, to the pipes that its log is read from: whole lines, and never waiting for the reader. How lines come to be,
//! and how many a component may print, is the business of `shoal-capability`.

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use shoal_protocol::TaskId;
use shoal_service::{LogSink, RequestId, Stream};
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::Sender;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// Bytes that wait for a slow reader, beside the 64 KiB that a pipe holds.
const WAITING: usize = 64 << 10;

/// How long a reader may take for what waits when a task ends.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The two streams of a task.
pub(crate) struct Output {
    stdout: Arc<Pipe>,
    stderr: Arc<Pipe>,
}

impl Output {
    /// To be made where the runtime is.
    pub(crate) fn new(stdout: OwnedFd, stderr: OwnedFd) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            stdout: Pipe::new(stdout)?,
            stderr: Pipe::new(stderr)?,
        }))
    }
}

/// The outputs of tasks, by their ids.
#[derive(Default)]
pub(crate) struct Outputs(Mutex<HashMap<TaskId, Weak<Output>>>);

impl Outputs {
    pub(crate) fn add(&self, id: &TaskId, output: &Arc<Output>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, output| output.strong_count() > 0);
        all.insert(id.clone(), Arc::downgrade(output));
    }

    pub(crate) fn of(&self, id: &TaskId) -> Option<Arc<Output>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(id)?.upgrade()
    }
}

impl LogSink for Output {
    fn line(&self, stream: Stream, _: RequestId, line: &[u8]) {
        let pipe = match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        };
        pipe.line(line);
    }

    fn dropped(&self, bytes: u64) {
        let note = format!("shoal: {bytes} bytes of output were dropped: limits.logRate allows no more");
        self.stderr.line(note.as_bytes());
    }

    /// Who may read a pod's log need not be allowed to read the node's.
    fn note(&self, text: &str) {
        self.stderr.line(format!("shoal: {text}").as_bytes());
    }
}

struct Pipe {
    write: OwnedFd,
    state: Mutex<State>,
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
    /// Nobody reads any more.
    closed: bool,
}

impl Pipe {
    fn new(write: OwnedFd) -> io::Result<Arc<Self>> {
        fcntl_setfl(&write, fcntl_getfl(&write)? | OFlags::NONBLOCK)?;
        Ok(Arc::new(Self {
            write,
            state: Mutex::default(),
            runtime: Handle::current(),
        }))
    }

    fn line(self: &Arc<Self>, line: &[u8]) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        if !state.add(line) {
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Puts a line behind those that wait; false where there is no room.
    fn add(&mut self, line: &[u8]) -> bool {
        if !self.waiting.is_empty() && self.waiting.len() + line.len() >= WAITING {
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
                Ok(bytes) => written += bytes,
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
        if ready.is_err() || state.write(|bytes| write.try_write(bytes)) {
            state.flusher = None;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[tokio::test]
    async fn a_reader_that_sleeps_gets_whole_lines_and_is_told_of_the_rest() {
        let (read, write) = std::io::pipe().unwrap();
        let pipe = Pipe::new(write.into()).unwrap();
        let line = [b'x'; 999];
        let lines = 500;
        for _ in 0..lines {
            pipe.line(&line);
        }
        let dropped = pipe.state().dropped;
        assert!(dropped > 0 && dropped < lines, "{dropped}");
        let reading = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            let mut read = read;
            read.read_to_string(&mut text).unwrap();
            text
        });
        while pipe.state().flusher.is_some() {
            tokio::task::yield_now().await;
        }
        pipe.line(b"last");
        drop(pipe);
        let text = reading.await.unwrap();
        let note = format!("shoal: {dropped} lines were dropped: they were not read fast enough");
        assert_eq!(text.matches(&note).count(), 1);
        let whole = text.lines().filter(|it| it.as_bytes() == line).count() as u64;
        assert_eq!(whole + dropped, lines);
        assert!(text.ends_with("\nlast\n"));
    }

    #[tokio::test]
    async fn what_waits_when_a_task_ends_is_still_written() {
        let (mut read, write) = std::io::pipe().unwrap();
        let pipe = Pipe::new(write.into()).unwrap();
        let lines = 100;
        for _ in 0..lines {
            pipe.line(&[b'x'; 999]);
        }
        assert!(!pipe.state().waiting.is_empty() && pipe.state().dropped == 0);
        drop(pipe);
        let mut text = String::new();
        let reading = tokio::task::spawn_blocking(move || read.read_to_string(&mut text).map(|_| text));
        assert_eq!(reading.await.unwrap().unwrap().len(), lines * 1000);
    }

    #[tokio::test]
    async fn nobody_reads_and_nobody_waits() {
        let (read, write) = std::io::pipe().unwrap();
        let pipe = Pipe::new(write.into()).unwrap();
        drop(read);
        pipe.line(b"one");
        pipe.line(b"two");
        assert!(pipe.state().closed && pipe.state().waiting.is_empty());
    }
}
