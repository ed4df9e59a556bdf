//! Frames on their way into a socket that takes only so much at a time. Which frames these are is `exchange`'s.

use std::collections::VecDeque;
use std::rc::Rc;

/// Whole frames, the first of which may be written in part.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    frames: VecDeque<Rc<[u8]>>,
    written: usize,
    bytes: usize,
}

impl Outbox {
    pub(crate) fn push(&mut self, frame: Rc<[u8]>) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// What to write next. None when nothing waits.
    pub(crate) fn next(&self) -> Option<&[u8]> {
        self.frames.front().and_then(|frame| frame.get(self.written..))
    }

    /// `count` bytes of `next` were written.
    pub(crate) fn advance(&mut self, count: usize) {
        self.written += count;
        let Some(first) = self.frames.front().map(|frame| frame.len()) else {
            return;
        };
        if self.written >= first {
            self.frames.pop_front();
            self.bytes -= first;
            self.written = 0;
        }
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
        }
    }

    /// Memory that waits.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
