//! What several commands need before they can begin: a runtime, the cache, the compiler, a host.

use crate::console::Console;
use crate::failure::Failure;
use crate::logs::ConsoleLogs;
use crate::{Global, Outcome};
use shoal_artifact::{Cache, CacheLimits, FetchOptions};
use shoal_compile::Compiler;
use shoal_service::{Host, HostOptions, PoolOptions};
use std::sync::Arc;
use std::time::Duration;

/// How long a component stays mapped that nobody calls.
const UNLOAD_AFTER: Duration = Duration::from_secs(60);

/// Runs a command that waits for things.
pub(crate) fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    let runtime =
        shoal_service::runtime().map_err(|error| Failure::new(format!("cannot start threads: {error}")))?;
    let outcome = runtime.block_on(command);
    // A guest may still wait for standard input, which no thread can be called back from.
    runtime.shutdown_background();
    outcome
}

/// The cache that was asked for, or the user's.
pub(crate) fn cache(global: &Global) -> Result<Cache, Failure> {
    let dir = match &global.cache {
        Some(dir) => dir.clone(),
        None => Cache::default_dir()?,
    };
    let limits = CacheLimits {
        size: global.cache_size.bytes(),
        ..CacheLimits::default()
    };
    Ok(Cache::open_within(dir, limits)?)
}

/// A host whose components log to the console.
pub(crate) fn host(
    global: &Global,
    console: &Console,
    pool: PoolOptions,
    fetch: FetchOptions,
) -> Result<Host, Failure> {
    let logs = Arc::new(ConsoleLogs(console.clone()));
    Ok(Host::new(
        cache(global)?,
        Compiler::locate()?,
        HostOptions {
            pool,
            fetch,
            logs,
            unload_after: UNLOAD_AFTER,
        },
    ))
}
