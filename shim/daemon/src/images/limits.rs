//! How large the cache of a node may become: what the environment or the file `cache-size` says.

use crate::paths::Paths;
use shoal_api::Quantity;
use shoal_artifact::{CacheLimits, DEFAULT_CACHE_SIZE};
use std::time::Duration;

/// Goes before the file.
const ENV: &str = "SHOAL_CACHE_SIZE";

pub(crate) fn limits(paths: &Paths) -> CacheLimits {
    let env = std::env::var(ENV).ok().map(|text| (ENV.to_owned(), text));
    let path = paths.cache_size();
    let file = || Some((path.display().to_string(), std::fs::read_to_string(&path).ok()?));
    CacheLimits {
        size: env
            .or_else(file)
            .map_or(DEFAULT_CACHE_SIZE, |(from, text)| size(&from, &text)),
        // The node's programs change together: nobody comes back to the old ones but to roll back.
        keep_stale: Duration::ZERO,
    }
}

/// A mistake is told, and harms no pod.
fn size(from: &str, text: &str) -> u64 {
    match text.trim().parse::<Quantity>() {
        Ok(size) => size.bytes(),
        Err(error) => {
            tracing::error!(
                "{from} is {text:?}, which is no size such as 10Gi: {error}; the cache may hold 10Gi"
            );
            DEFAULT_CACHE_SIZE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_quantity_and_a_mistake_is_the_default() {
        assert_eq!(size("test", "200Mi\n"), 200 << 20);
        assert_eq!(size("test", "lots"), DEFAULT_CACHE_SIZE);
    }
}
