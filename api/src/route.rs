//! The routes of HTTP triggers: how a path of a manifest is read, and the one form in which paths are compared. Which handler a request
//! goes to is decided in `shoal-trigger`.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::problem::{Path, Problem};
use crate::{HttpTrigger, PathType, Trigger};

/// What stands for one segment: whatever is there, under this name.
const PARAMETER: char = ':';
/// The last segment of a path that means all that lies below.
const BELOW: &str = "...";

/// The paths that an HTTP trigger answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What each segment has to be.
    pub segments: Vec<Segment>,
    /// Whether nothing may follow the last segment.
    pub exact: bool,
}

/// What a segment of a request's path has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// This text, in the form of [`canonical`].
    Literal(String),
    /// Anything, but not nothing. The name is for people.
    Parameter(String),
}

/// A path that can't be a route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// It does not begin at the root.
    #[error("begins with no slash")]
    Relative,
    /// Two slashes follow each other.
    #[error("holds an empty segment, //, which no request's path has in the end; write one slash")]
    Empty,
    /// `.` or `..`.
    #[error("holds a segment . or ..; write the path without it")]
    Dots,
    /// `*`.
    #[error(
        "holds a *; write :name for one segment, as in /users/:id/edit, and /... at the end for all below; %2A is the character"
    )]
    Star,
    /// `{name}`.
    #[error("holds a brace; write :name for one segment, as in /users/:id; %7B and %7D are the characters")]
    Brace,
    /// `...` that is not the last segment.
    #[error("holds ... in the middle; it stands for all below as the last segment alone, as in /static/...")]
    Below,
    /// A colon without a name behind it.
    #[error(
        "holds a parameter without a name; write a colon and letters, digits, _ or -, as in /users/:id; %3A is the character"
    )]
    Parameter,
    /// A `%` that says no byte.
    #[error("holds a % without two hexadecimal digits; %25 is the character")]
    Percent,
    /// `...` in a path of which nothing lies below.
    #[error("ends with /... though pathType is Exact; leave one of the two out")]
    ExactBelow,
}

impl Route {
    /// The route of a trigger.
    ///
    /// # Errors
    ///
    /// What the schema refuses too.
    pub fn of(trigger: &HttpTrigger) -> Result<Self, RouteError> {
        Self::parse(&trigger.path, trigger.path_type)
    }

    /// Reads the path of a route.
    ///
    /// # Errors
    ///
    /// As [`Route::of`].
    pub fn parse(path: &str, path_type: PathType) -> Result<Self, RouteError> {
        let exact = path_type == PathType::Exact;
        let mut rest = path.strip_prefix('/').ok_or(RouteError::Relative)?;
        if let Some(before) = rest.strip_suffix(BELOW)
            && (before.is_empty() || before.ends_with('/'))
        {
            if exact {
                return Err(RouteError::ExactBelow);
            }
            rest = before;
        }
        rest = rest.strip_suffix('/').unwrap_or(rest);
        let segments = match rest {
            "" => Vec::new(),
            _ => rest.split('/').map(segment).collect::<Result<_, _>>()?,
        };
        Ok(Self { segments, exact })
    }

    /// What it is the same as, whatever its parameters are called.
    fn key(&self) -> (Vec<Option<&str>>, bool) {
        let segments = self.segments.iter().map(|it| match it {
            Segment::Literal(text) => Some(text.as_str()),
            Segment::Parameter(_) => None,
        });
        (segments.collect(), self.exact)
    }
}

fn segment(text: &str) -> Result<Segment, RouteError> {
    if text.is_empty() {
        return Err(RouteError::Empty);
    }
    if text.contains('*') {
        return Err(RouteError::Star);
    }
    if text.contains(['{', '}']) {
        return Err(RouteError::Brace);
    }
    if text.contains(BELOW) {
        return Err(RouteError::Below);
    }
    if let Some(name) = text.strip_prefix(PARAMETER) {
        let named = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-');
        return match !name.is_empty() && name.chars().all(named) {
            true => Ok(Segment::Parameter(name.to_owned())),
            false => Err(RouteError::Parameter),
        };
    }
    let bytes = text.as_bytes();
    if (0..bytes.len()).any(|at| bytes[at] == b'%' && encoded(&bytes[at..]).is_none()) {
        return Err(RouteError::Percent);
    }
    let text = canonical_segment(text);
    match text.as_str() {
        "." | ".." => Err(RouteError::Dots),
        _ => Ok(Segment::Literal(text)),
    }
}

/// HTTP triggers that would answer the same paths.
pub fn conflicts(triggers: &[Trigger]) -> Vec<Problem> {
    let mut seen = HashMap::new();
    let mut problems = Vec::new();
    for (index, trigger) in triggers.iter().enumerate() {
        let Some(http) = &trigger.http else { continue };
        let at = Path::default().field("spec").field("triggers").index(index);
        let at = at.field("http").field("path");
        let route = match Route::of(http) {
            Ok(route) => route,
            Err(error) => {
                problems.push(Problem::new(&at, error.to_string()));
                continue;
            }
        };
        let (segments, exact) = route.key();
        let key = (
            segments
                .into_iter()
                .map(|it| it.map(str::to_owned))
                .collect::<Vec<_>>(),
            exact,
        );
        if let Some(other) = seen.insert(key, &trigger.name) {
            let message = format!(
                "{:?} is the same route as that of trigger {other}; give each a path of its own",
                http.path
            );
            problems.push(Problem::new(&at, message));
        }
    }
    problems
}

/// The form in which paths are compared, in which each has one: unreserved characters (RFC 3986 section 2.3) as they are, every other
/// byte as `%` and two upper-case digits, without empty segments and without `.` and `..`. So `%2F` is no separator, and whatever a
/// request writes in its place, it is found by the route that its path means. A slash at the end may stay.
pub fn canonical(path: &str) -> Cow<'_, str> {
    if is_canonical(path.as_bytes()) {
        return Cow::Borrowed(path);
    }
    let mut whole = String::with_capacity(path.len() + 16);
    for segment in path.split('/') {
        let segment = canonical_segment(segment);
        match segment.as_str() {
            "" | "." => {}
            ".." => whole.truncate(whole.rfind('/').unwrap_or(0)),
            _ => {
                whole.push('/');
                whole.push_str(&segment);
            }
        }
    }
    if whole.is_empty() {
        whole.push('/');
    }
    Cow::Owned(whole)
}

/// Most paths. Segments that begin with a dot are looked at by the other.
fn is_canonical(path: &[u8]) -> bool {
    let mut after_slash = false;
    path.iter().all(|byte| {
        let good = match byte {
            b'/' | b'.' => !after_slash,
            _ => unreserved(*byte),
        };
        after_slash = *byte == b'/';
        good
    })
}

fn canonical_segment(text: &str) -> String {
    let mut canonical = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, after) = match encoded(rest) {
            Some(byte) => (byte, &rest[3..]),
            None => (*first, after),
        };
        rest = after;
        if unreserved(byte) {
            canonical.push(char::from(byte));
        } else {
            canonical.push('%');
            for digit in [byte >> 4, byte & 15] {
                canonical.extend(char::from_digit(digit.into(), 16).map(|it| it.to_ascii_uppercase()));
            }
        }
    }
    canonical
}

/// The byte that `%` and two digits stand for.
fn encoded(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |it: u8| char::from(it).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn paths_that_mean_the_same_have_one_form() {
        for (written, form) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//a///b//", "/a/b"),
            ("/%61%7e%2D", "/a~-"),
            ("/a%20b", "/a%20b"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%2Fb", "/a%2Fb"),
            // Decoded once.
            ("/%2561", "/%2561"),
            ("/a/./b/../c", "/a/c"),
            ("/a/%2e%2E/b", "/b"),
            ("/../..", "/"),
            ("/a/..", "/"),
            ("/.a/..b/c.d/...", "/.a/..b/c.d/..."),
            // What may be written as it is, or encoded, is one thing.
            ("/a@b:c", "/a%40b%3Ac"),
            ("/a%40b%3ac", "/a%40b%3Ac"),
            ("/é", "/%C3%A9"),
            ("/%c3%a9", "/%C3%A9"),
            ("/a%", "/a%25"),
            ("/a%zz", "/a%25zz"),
            ("/a\\..\\b", "/a%5C..%5Cb"),
            ("/%2F", "/%2F"),
        ] {
            assert_eq!(canonical(written), form, "{written}");
            assert_eq!(canonical(form), form, "{form} is in its form already");
        }
        assert!(matches!(canonical("/a/b-c.html"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_can_never_match_is_refused_with_what_to_write() {
        use PathType::{Exact, Prefix};
        for (path, kind, error) in [
            ("users", Prefix, RouteError::Relative),
            ("//x", Prefix, RouteError::Empty),
            ("/a//", Prefix, RouteError::Empty),
            ("/users/*/edit", Prefix, RouteError::Star),
            ("/static/*", Prefix, RouteError::Star),
            ("/static*", Prefix, RouteError::Star),
            ("/users/{id}", Prefix, RouteError::Brace),
            ("/.../x", Prefix, RouteError::Below),
            ("/static...", Prefix, RouteError::Below),
            ("/users/:", Prefix, RouteError::Parameter),
            ("/users/:a.b", Prefix, RouteError::Parameter),
            ("/a%", Prefix, RouteError::Percent),
            ("/a%zz", Prefix, RouteError::Percent),
            ("/a%2", Prefix, RouteError::Percent),
            ("/a/../b", Prefix, RouteError::Dots),
            ("/a/%2e", Prefix, RouteError::Dots),
            ("/static/...", Exact, RouteError::ExactBelow),
        ] {
            assert_eq!(Route::parse(path, kind), Err(error), "{path}");
        }
    }

    #[test]
    fn routes_are_read_as_spin_and_gateway_api_write_them() {
        let literal = |text: &str| Segment::Literal(text.to_owned());
        let parameter = |name: &str| Segment::Parameter(name.to_owned());
        for (path, segments) in [
            ("/", vec![]),
            ("/...", vec![]),
            ("/api/", vec![literal("api")]),
            ("/static/...", vec![literal("static")]),
            ("/users/:id", vec![literal("users"), parameter("id")]),
            (
                "/users/:id/edit",
                vec![literal("users"), parameter("id"), literal("edit")],
            ),
            ("/:region/...", vec![parameter("region")]),
            ("/a%20b", vec![literal("a%20b")]),
            ("/%61%2f", vec![literal("a%2F")]),
            ("/a:b", vec![literal("a%3Ab")]),
        ] {
            let route = Route::parse(path, PathType::Prefix);
            assert_eq!(
                route,
                Ok(Route {
                    segments,
                    exact: false
                }),
                "{path}"
            );
        }
    }

    pub(crate) fn trigger(name: &str, path: &str, path_type: PathType) -> Trigger {
        Trigger {
            name: name.to_owned(),
            http: Some(HttpTrigger {
                path: path.to_owned(),
                path_type,
                ..HttpTrigger::default()
            }),
            ..Trigger::default()
        }
    }

    #[test]
    fn routes_that_answer_the_same_paths_are_found() {
        let triggers = [
            trigger("a", "/users/:id", PathType::Prefix),
            trigger("b", "/users/:id", PathType::Exact),
            trigger("c", "/users/:name/...", PathType::Prefix),
            trigger("d", "/x", PathType::Prefix),
            trigger("e", "/%78/", PathType::Prefix),
            trigger("f", "/*", PathType::Prefix),
        ];
        let found: Vec<_> = conflicts(&triggers)
            .into_iter()
            .map(|it| format!("{} {}", it.field, it.message))
            .collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("spec.triggers[2].http.path") && found[0].contains("trigger a"));
        assert!(found[1].starts_with("spec.triggers[4].http.path") && found[1].contains("trigger d"));
        assert!(found[2].starts_with("spec.triggers[5].http.path") && found[2].contains(":name"));
    }
}
