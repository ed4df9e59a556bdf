//! Which handler answers a path.

use super::forwarded::Found;
use super::{Handler, Peer, Proxies, Request};
use shoal_api::HttpTrigger;
use shoal_api::route::{Route, RouteError, Segment, canonical};
use std::sync::Arc;

/// Routes and who answers them. The one that fits best from the first segment on wins: a text before a parameter, a longer path before
/// a shorter one, an exact one before a prefix.
#[derive(Clone, Default)]
pub struct Routes {
    root: Node,
}

/// Who answers a request.
#[derive(Clone)]
pub struct Target {
    /// It.
    pub handler: Arc<dyn Handler>,
    /// The proxies that it believes.
    pub proxies: Arc<Proxies>,
}

/// What begins with the same segments. Finding a child takes a number of steps that grows with the logarithm of their number.
#[derive(Clone, Default)]
struct Node {
    /// By their texts, in order.
    literals: Vec<(Box<str>, Node)>,
    parameter: Option<Box<Node>>,
    /// Who answers this path alone.
    exact: Option<Target>,
    /// Who answers this path and all below it that nobody else does.
    prefix: Option<Target>,
}

impl Routes {
    /// Of several targets of the same route, the first answers.
    pub fn new(routes: impl IntoIterator<Item = (Route, Target)>) -> Self {
        let mut root = Node::default();
        for (route, target) in routes {
            let node = root.at(&route.segments);
            let place = match route.exact {
                true => &mut node.exact,
                false => &mut node.prefix,
            };
            place.get_or_insert(target);
        }
        Self { root }
    }

    /// One handler for every path, which believes no proxy.
    pub fn all(handler: Arc<dyn Handler>) -> Self {
        let mut routes = Self::default();
        let proxies = Arc::default();
        routes.root.prefix = Some(Target { handler, proxies });
        routes
    }

    /// Who answers a path.
    pub fn find(&self, path: &str) -> Option<&Target> {
        let root = &self.root;
        // `*` of OPTIONS, and the authority of CONNECT, are below no path but the root.
        if root.is_leaf() || !path.starts_with('/') {
            return root.prefix.as_ref();
        }
        root.find(&canonical(path))
    }
}

impl Target {
    /// A trigger's route, and a handler for it.
    ///
    /// # Errors
    ///
    /// Where its path is no route, which the schema refuses.
    pub fn of(trigger: &HttpTrigger, handler: Arc<dyn Handler>) -> Result<(Route, Self), RouteError> {
        let proxies = Proxies::new(trigger.trusted_proxies.iter().map(String::as_str));
        let proxies = Arc::new(proxies);
        Ok((Route::of(trigger)?, Self { handler, proxies }))
    }

    /// Puts right what the headers of a request from `peer` say of its way here. Returns whether it asks for another protocol.
    pub fn receive(&self, request: &mut Request, peer: &Peer) -> bool {
        let found = Found::in_headers(request.headers());
        let scheme = request.uri().scheme().cloned();
        let headers = request.headers_mut();
        if let Some(tls) = self.proxies.apply(headers, found, peer, scheme.as_ref()) {
            request.extensions_mut().insert(tls);
        }
        found.upgrade
    }
}

impl Node {
    /// The node below this one for these segments.
    fn at(&mut self, segments: &[Segment]) -> &mut Self {
        let mut node = self;
        for segment in segments {
            node = match segment {
                Segment::Parameter(_) => node.parameter.get_or_insert_default(),
                Segment::Literal(text) => {
                    let at = match node.literal(text) {
                        Ok(at) => at,
                        Err(at) => {
                            node.literals.insert(at, (text.as_str().into(), Self::default()));
                            at
                        }
                    };
                    &mut node.literals[at].1
                }
            };
        }
        node
    }

    /// Whether nothing is below it, nor for it alone.
    fn is_leaf(&self) -> bool {
        self.literals.is_empty() && self.parameter.is_none() && self.exact.is_none()
    }

    /// The place of a text, or where it would be.
    fn literal(&self, text: &str) -> Result<usize, usize> {
        self.literals.binary_search_by(|(it, _)| (**it).cmp(text))
    }

    /// Who answers what is left of a path, in its canonical form. Each node is visited once at most, and none deeper than the longest
    /// route.
    fn find(&self, rest: &str) -> Option<&Target> {
        let rest = rest.trim_start_matches('/');
        if rest.is_empty() {
            return self.exact.as_ref().or(self.prefix.as_ref());
        }
        let (segment, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let literal = self.literal(segment).ok().map(|at| &self.literals[at].1);
        let children = literal.into_iter().chain(self.parameter.as_deref());
        children
            .filter_map(|child| child.find(rest))
            .next()
            .or(self.prefix.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Responding;
    use shoal_api::PathType;

    struct Nobody;

    impl Handler for Nobody {
        fn handle(&self, _: Request) -> Responding {
            Box::pin(std::future::pending())
        }
    }

    /// Routes, with which of them answers a path. `=` before a path stands for an exact one.
    struct Written<'a>(Vec<(&'a str, Arc<dyn Handler>)>, Routes);

    impl<'a> Written<'a> {
        fn new(paths: &[&'a str]) -> Self {
            let all: Vec<_> = paths
                .iter()
                .map(|it| (*it, Arc::new(Nobody) as Arc<dyn Handler>))
                .collect();
            let routes = Routes::new(all.iter().map(|(path, handler)| {
                let (path, path_type) = match path.strip_prefix('=') {
                    Some(path) => (path, PathType::Exact),
                    None => (*path, PathType::Prefix),
                };
                let trigger = HttpTrigger {
                    path: path.to_owned(),
                    path_type,
                    ..HttpTrigger::default()
                };
                Target::of(&trigger, Arc::clone(handler)).expect(path)
            }));
            Self(all, routes)
        }

        fn find(&self, path: &str) -> &'a str {
            let found = self.1.find(path);
            let at = found.and_then(|found| self.0.iter().find(|(_, it)| Arc::ptr_eq(it, &found.handler)));
            at.map_or("none", |(path, _)| path)
        }
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins() {
        let routes = Written::new(&["/", "/api", "/api/v1/"]);
        assert_eq!(routes.find("/api/v1/x"), "/api/v1/");
        assert_eq!(routes.find("/api/v1"), "/api/v1/");
        assert_eq!(routes.find("/api/v10"), "/api");
        assert_eq!(routes.find("/apis"), "/");
        assert_eq!(routes.find("*"), "/");
        assert_eq!(Written::new(&["/api"]).find("/other"), "none");
        assert_eq!(Written::new(&["/api"]).find("*"), "none");
        assert_eq!(Written::new(&["/"]).find("//x/../%61"), "/");
        assert_eq!(Written::new(&["=/"]).find("/x"), "none");
    }

    #[test]
    fn a_table_as_users_of_spin_and_gateway_api_write_it() {
        let routes = Written::new(&[
            "=/",
            "/...",
            "=/users",
            "=/users/:id",
            "/users/:id/edit",
            "/users/me/...",
            "/static/...",
            "/static/private",
            "/:region/status",
            "=/a%20b",
        ]);
        for (path, route) in [
            ("/", "=/"),
            ("/other", "/..."),
            ("/users", "=/users"),
            ("/users/", "=/users"),
            ("/users/7", "=/users/:id"),
            ("/users/7/", "=/users/:id"),
            ("/users/7/edit", "/users/:id/edit"),
            ("/users/7/edit/name", "/users/:id/edit"),
            ("/users/7/delete", "/..."),
            ("/users/me", "/users/me/..."),
            ("/users/me/edit", "/users/me/..."),
            ("/static", "/static/..."),
            ("/static/a/b.css", "/static/..."),
            ("/static/private/x", "/static/private"),
            ("/staticx", "/..."),
            ("/eu/status", "/:region/status"),
            ("/eu/other", "/..."),
            // A text that leads nowhere is no reason not to try the parameter.
            ("/users/status", "=/users/:id"),
            ("/static/status", "/static/..."),
            ("/a%20b", "=/a%20b"),
            ("/a%20b/c", "/..."),
        ] {
            assert_eq!(routes.find(path), route, "{path}");
        }
    }

    #[test]
    fn no_way_of_writing_a_path_leads_past_its_route() {
        let routes = Written::new(&["/", "/admin", "/a%2Fb", "/files/a@b"]);
        for path in [
            "/admin",
            "/admin/",
            "//admin",
            "/%61dmin",
            "/%61%64%6D%69%6e/x",
            "/./admin",
            "/x/../admin",
            "/x/%2e%2E/admin",
            "/%2e/admin",
            "/admin//x",
            "/../admin",
        ] {
            assert_eq!(routes.find(path), "/admin", "{path}");
        }
        for path in ["/a%2fb", "/a%2Fb/c", "/%61%2fb"] {
            assert_eq!(routes.find(path), "/a%2Fb", "{path}");
        }
        for path in ["/files/a@b", "/files/a%40b"] {
            assert_eq!(routes.find(path), "/files/a@b", "{path}");
        }
        // None of these is below it.
        for path in [
            "/admin%2Fx",
            "/a/b",
            "/ADMIN",
            "/%2561dmin",
            "/admin/..",
            "/admin%00",
        ] {
            assert_eq!(routes.find(path), "/", "{path}");
        }
    }

    #[test]
    fn what_a_path_costs_grows_with_its_length_and_not_with_the_routes() {
        let paths: Vec<_> = (0..5000).map(|n| format!("/services/{n}/:name")).collect();
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        let routes = Written::new(&paths);
        assert_eq!(routes.find("/services/4711/x"), "/services/4711/:name");
        assert_eq!(routes.find("/services/4711"), "none");
        let mut node = &routes.1.root;
        let mut compared = 0;
        while let Some((_, next)) = node.literals.get(node.literals.len() / 2) {
            compared += usize::BITS - node.literals.len().leading_zeros();
            node = next;
        }
        assert!(compared <= 16, "{compared} comparisons");
        // The deepest path that a manifest can hold.
        let deep = "/a".repeat(512);
        let routes = Written::new(&[deep.as_str(), "/"]);
        assert_eq!(routes.find(&deep), deep);
        assert_eq!(routes.find(&"/a".repeat(511)), "/");
        assert_eq!(routes.find(&"/a".repeat(20_000)), deep);
    }
}
