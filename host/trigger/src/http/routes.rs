//! Which handler answers a path.

use super::Handler;
use std::sync::Arc;

/// Path prefixes and who answers below them; the longest that fits wins, as in Kubernetes' Ingress (`pathType: Prefix`).
#[derive(Clone, Default)]
pub struct Routes {
    by_length: Vec<(String, Arc<dyn Handler>)>,
}

impl Routes {
    /// Routes from prefixes: `/` for everything, `/api` for `/api` and `/api/…`, not for `/apis`.
    pub fn new(routes: impl IntoIterator<Item = (String, Arc<dyn Handler>)>) -> Self {
        let mut by_length: Vec<_> = routes
            .into_iter()
            .map(|(prefix, handler)| (prefix.trim_end_matches('/').to_owned(), handler))
            .collect();
        by_length.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Self { by_length }
    }

    /// The handler for a path.
    pub fn find(&self, path: &str) -> Option<&Arc<dyn Handler>> {
        let found = self.by_length.iter().find(|(prefix, _)| {
            path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                // `*` of OPTIONS, and the authority of CONNECT, are below no path but the root.
                || prefix.is_empty()
        });
        found.map(|(_, handler)| handler)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Request, Responding};

    struct Nobody;

    impl Handler for Nobody {
        fn handle(&self, _: Request) -> Responding {
            Box::pin(std::future::pending())
        }
    }

    fn find<'a>(prefixes: &[&'a str], path: &str) -> Option<&'a str> {
        let routes = Routes::new(
            prefixes
                .iter()
                .map(|it| ((*it).to_owned(), Arc::new(Nobody) as Arc<dyn Handler>)),
        );
        let found = routes.find(path)?;
        let place = routes
            .by_length
            .iter()
            .position(|(_, it)| Arc::ptr_eq(it, found))?;
        let prefix = routes.by_length[place].0.as_str();
        prefixes
            .iter()
            .copied()
            .find(|it| it.trim_end_matches('/') == prefix)
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins() {
        let routes = ["/", "/api", "/api/v1/"];
        assert_eq!(find(&routes, "/api/v1/x"), Some("/api/v1/"));
        assert_eq!(find(&routes, "/api/v1"), Some("/api/v1/"));
        assert_eq!(find(&routes, "/api/v10"), Some("/api"));
        assert_eq!(find(&routes, "/apis"), Some("/"));
        assert_eq!(find(&routes, "*"), Some("/"));
        assert_eq!(find(&["/api"], "/other"), None);
        assert_eq!(find(&["/api"], "*"), None);
    }
}
