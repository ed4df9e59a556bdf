//! How a long operation tells what it is doing. Drawing bars is the command line's business.

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Another task or process does the same thing already; its result is waited for.
    Waiting,
    /// A reference is looked up at its registry.
    Resolving,
    /// Bytes are downloaded, or copied from a file or layout folder.
    Pulling,
    /// Bytes are uploaded.
    Pushing,
    /// WebAssembly is compiled to native code.
    Compiling,
}

/// Receives the progress of one operation. Steps follow one another and never overlap; a retry starts the same
/// step again, from zero. `()` ignores everything.
pub trait Progress: Send + Sync {
    /// A step has begun; `total` is the number of bytes it will handle, where known.
    fn started(&self, step: Step, total: Option<u64>);
    /// `bytes` more were handled since the last call.
    fn advanced(&self, bytes: u64);
    /// The step is over, be it by success or by failure.
    fn finished(&self, step: Step);
}

impl Progress for () {
    fn started(&self, _: Step, _: Option<u64>) {}
    fn advanced(&self, _: u64) {}
    fn finished(&self, _: Step) {}
}

/// Reports the end of a step when dropped, so that an early return can't leave a bar behind.
pub(crate) struct Running<'a> {
    progress: &'a dyn Progress,
    step: Step,
}

impl<'a> Running<'a> {
    pub(crate) fn start(progress: &'a dyn Progress, step: Step, total: Option<u64>) -> Self {
        progress.started(step, total);
        Self { progress, step }
    }

    pub(crate) fn advanced(&self, bytes: u64) {
        self.progress.advanced(bytes);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.progress.finished(self.step);
    }
}
