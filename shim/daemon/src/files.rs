//! Work on files of the node, off the runtime's threads: a disk may be slow. What pods mount is `pods`'.

use std::io;
use std::time::Duration;

/// How long a file system may take for one piece of work.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// Does `work` with files of the node itself: records, bundles, logs. They are on disks of the node, which everything else needs too.
pub(crate) async fn on_the_node<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::time::timeout(TIMEOUT, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => Err(io::Error::other(error)),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the file system has not answered for {} s", TIMEOUT.as_secs()),
        )),
    }
}
