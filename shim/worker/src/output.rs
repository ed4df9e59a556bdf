//! What a task prints, to the pipes that its log is read from: whole lines, however long. No thread waits for the reader; the guest does.
//! How lines come to be, and how many a component may print, is the business of `shoal-capability`.

mod pipe;

use pipe::Pipe;
use shoal_protocol::TaskId;
use shoal_service::{Hold, Line, LogSink, Room, Stream};
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The two streams of a task.
pub(crate) struct Output {
    stdout: Arc<Pipe>,
    stderr: Arc<Pipe>,
    /// Bytes that are in neither.
    dropped: Arc<AtomicU64>,
}

impl Output {
    /// To be made where the runtime is.
    pub(crate) fn new(stdout: OwnedFd, stderr: OwnedFd) -> io::Result<Arc<Self>> {
        let dropped = Arc::<AtomicU64>::default();
        Ok(Arc::new(Self {
            stdout: Pipe::new(stdout, &dropped)?,
            stderr: Pipe::new(stderr, &dropped)?,
            dropped,
        }))
    }

    /// Bytes of output that were dropped, whatever the reason.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn pipe(&self, stream: Stream) -> &Arc<Pipe> {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
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
    fn line(&self, line: Line<'_>) {
        self.pipe(line.stream).line(line.bytes);
    }

    fn has_room(&self, stream: Stream, hold: Hold) -> bool {
        self.pipe(stream).has_room(hold)
    }

    fn room(&self, stream: Stream, hold: Hold) -> Room {
        let pipe = Arc::clone(self.pipe(stream));
        Box::pin(async move { pipe.wait_for_room(hold).await })
    }

    fn give_up(&self, stream: Stream) {
        self.pipe(stream).give_up();
    }

    fn count_dropped(&self, bytes: u64) {
        self.dropped.fetch_add(bytes, Ordering::Relaxed);
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
