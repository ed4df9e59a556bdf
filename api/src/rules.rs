//! The CEL rules of the schema. The API server evaluates them when an object is written and `shoal validate` on the
//! laptop, from the same schema; so what they say is said here alone. Their texts use nothing beyond Kubernetes 1.31's CEL.

use crate::route::RouteError;
use kube::core::{Message, Rule};

/// A rule with a fixed message.
pub(crate) fn rule(rule: impl Into<String>, message: &str) -> Rule {
    Rule::new(rule).message(message)
}

/// A rule about a list below the object. `named` is a CEL expression for what is wrong in it, and takes the place of
/// `%s` in the message. It names the first alone, and by `format`: the API server's estimate of what `join` or `+`
/// cost on texts that a comprehension found goes beyond its budget, whatever the bounds are.
fn naming(rule: impl Into<String>, message: &str, named: &str, list: &str) -> Rule {
    Rule::new(rule)
        .message(Message::Expression(format!("'{message}'.format([{named}])")))
        .field_path(list)
}

/// Exactly one of several fields.
pub(crate) fn exactly_one(fields: &[&str], message: &str) -> Rule {
    let present: Vec<String> = fields.iter().map(|field| format!("has(self.{field})")).collect();
    match present.as_slice() {
        [one, other] => rule(format!("{one} != {other}"), message),
        _ => rule(
            format!("[{}].exists_one(present, present)", present.join(", ")),
            message,
        ),
    }
}

/// A trigger of Redis listens to something.
pub(crate) fn some_messages() -> Rule {
    rule(
        "(has(self.channels) && self.channels.size() > 0) || (has(self.patterns) && self.patterns.size() > 0) || \
         (has(self.streams) && self.streams.size() > 0)",
        "redis needs at least one of channels, patterns and streams",
    )
}

/// A quantity between two others, both included.
pub(crate) fn quantity(least: &str, most: &str) -> Rule {
    rule(
        format!(
            "quantity(self).compareTo(quantity('{least}')) >= 0 && quantity(self).compareTo(quantity('{most}')) <= 0"
        ),
        &format!("is out of range: write a quantity from {least} to {most}"),
    )
}

/// A duration between two others, both included.
pub(crate) fn duration(least: &str, most: &str) -> Rule {
    rule(
        format!("duration(self) >= duration('{least}') && duration(self) <= duration('{most}')"),
        &format!("is out of range: write a duration from {least} to {most}"),
    )
}

/// Labels and annotations of pods that are the operator's. Each key is compared with texts alone, so that the estimate of what it costs
/// stays finite: the API server knows no bound for keys.
pub(crate) fn own_keys() -> Rule {
    rule(
        "self.all(key, !key.startsWith('shoal.dev/') && key != 'app.kubernetes.io/name' && key != 'app.kubernetes.io/managed-by')",
        "the keys shoal.dev/*, app.kubernetes.io/name and app.kubernetes.io/managed-by are the operator's: remove them",
    )
}

/// A Service of the same name has to be possible.
pub(crate) fn service_name() -> Rule {
    rule(
        "self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "metadata.name also names the service's address, so it has to be a DNS label: at most 63 lower-case letters, \
         digits and '-', starting with a letter",
    )
}

/// A trigger calls a component that exists.
pub(crate) fn trigger_component() -> Rule {
    naming(
        "!has(self.triggers) || self.triggers.all(t, self.components.exists(c, c.name == t.component))",
        "a trigger calls a component that does not exist: %s; set component to a name from spec.components",
        "self.triggers.filter(t, !self.components.exists(c, c.name == t.component))[0].component",
        ".triggers",
    )
}

/// Two HTTP triggers with one path would leave it open which of them is called.
pub(crate) fn http_paths() -> Rule {
    naming(
        "!has(self.triggers) || self.triggers.all(t, !has(t.http) || \
         self.triggers.exists_one(u, has(u.http) && u.http.path == t.http.path && u.http.pathType == t.http.pathType))",
        "two HTTP triggers have the same path: %s; give each a path of its own",
        "self.triggers.filter(t, has(t.http) && self.triggers.exists(u, u.name != t.name && has(u.http) && \
         u.http.path == t.http.path && u.http.pathType == t.http.pathType))[0].http.path",
        ".triggers",
    )
}

/// What [`crate::route`] says of a path, for the API server. It reads a path once more and knows one thing beyond: which paths are the
/// same route.
pub(crate) fn exact_path() -> Rule {
    rule(
        "self.pathType != 'Exact' || !self.path.endsWith('/...')",
        "path ends with /... though pathType is Exact; leave one of the two out",
    )
    .field_path(".path")
}

pub(crate) fn route_without_empty_segments() -> Rule {
    rule("!self.contains('//')", &said(&RouteError::Empty))
}

pub(crate) fn route_without_stars() -> Rule {
    rule("!self.contains('*')", &said(&RouteError::Star))
}

pub(crate) fn route_without_braces() -> Rule {
    rule(
        "!self.contains('{') && !self.contains('}')",
        &said(&RouteError::Brace),
    )
}

pub(crate) fn route_with_dots_at_its_end() -> Rule {
    rule(
        "!self.matches('[.][.][.].|[^/][.][.][.]')",
        &said(&RouteError::Below),
    )
}

pub(crate) fn route_with_named_parameters() -> Rule {
    rule(
        "!self.matches('/:(/|$)|/:[-A-Za-z0-9_]*[^-A-Za-z0-9_/]')",
        &said(&RouteError::Parameter),
    )
}

pub(crate) fn route_with_whole_bytes() -> Rule {
    rule(
        "!self.matches('%([^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)')",
        &said(&RouteError::Percent),
    )
}

/// Addresses and ranges of them.
pub(crate) fn proxies() -> Rule {
    rule(
        "self.all(it, isIP(it) || isCIDR(it))",
        "holds what is neither an IP address nor a range such as 10.0.0.0/8",
    )
}

fn said(error: &RouteError) -> String {
    error.to_string()
}

/// A link leads to a component that exists.
pub(crate) fn link_component() -> Rule {
    nested(
        "links",
        "l",
        "!has(l.component) || self.components.exists(d, d.name == l.component)",
        "component",
        "a link leads to a component that does not exist: %s; set component to a name from spec.components",
    )
}

/// A link leads to another component.
pub(crate) fn link_to_another() -> Rule {
    rule(
        "!has(self.links) || self.links.all(l, !has(l.component) || l.component != self.name)",
        "a link leads to the component itself: set component to the name of another entry of spec.components",
    )
    .field_path(".links")
}

/// A granted store exists.
pub(crate) fn key_value_store() -> Rule {
    nested(
        "capabilities.keyValue",
        "k",
        "has(self.stores) && self.stores.exists(s, s.name == k.store)",
        "store",
        "spec.stores has no entry of this name: %s; add one, such as {name: ..., memory: {}}, or set store to the \
         name of one that is there",
    )
}

/// A granted volume exists.
pub(crate) fn filesystem_volume() -> Rule {
    nested(
        "capabilities.filesystem",
        "f",
        "has(self.volumes) && self.volumes.exists(v, v.name == f.volume)",
        "volume",
        "spec.volumes has no entry of this name: %s; add one, such as {name: ..., emptyDir: {}}, or set volume to \
         the name of one that is there",
    )
}

/// A persistent store's volume exists.
pub(crate) fn store_volume() -> Rule {
    let good = "has(self.volumes) && self.volumes.exists(v, v.name == s.persistent.volume)";
    naming(
        format!("!has(self.stores) || self.stores.all(s, !has(s.persistent) || ({good}))"),
        "spec.volumes has no entry of this name: %s; add one, or set volume to the name of one that is there",
        &format!("self.stores.filter(s, has(s.persistent) && !({good}))[0].persistent.volume"),
        ".stores",
    )
}

/// A volume that holds a store is no component's directory: it could change the file behind the store's back.
pub(crate) fn store_volume_alone() -> Rule {
    nested(
        "capabilities.filesystem",
        "f",
        "!has(self.stores) || !self.stores.exists(s, has(s.persistent) && s.persistent.volume == f.volume)",
        "volume",
        "a volume that holds a store is not granted as a directory: %s; give the store a volume of its own",
    )
}

/// A rule on the entries of a list inside the components. `list` is a path of one or two fields, `entry` the
/// variable that `good` uses for an entry, `name` the entry's field that the message names.
fn nested(list: &str, entry: &str, good: &str, name: &str, message: &str) -> Rule {
    let present = match list.split_once('.') {
        Some((outer, _)) => format!("has(c.{outer}) && has(c.{list})"),
        None => format!("has(c.{list})"),
    };
    naming(
        format!("self.components.all(c, !({present}) || c.{list}.all({entry}, {good}))"),
        message,
        &format!(
            "self.components.map(c, {present} && !c.{list}.all({entry}, {good}), \
             c.{list}.filter({entry}, !({good}))[0].{name})[0]"
        ),
        ".components",
    )
}

/// An outgoing destination: a name, all names below one, an address or a range.
pub(crate) fn host() -> Rule {
    rule(
        r"self == '*' || self.matches('^([*][.])?([a-z0-9]([-a-z0-9]*[a-z0-9])?[.])*[a-z]([-a-z0-9]*[a-z0-9])?$') || isIP(self) || isCIDR(self)",
        "is neither a host name (lower case, without a port), nor *.name, nor *, nor an IP address, nor a range \
         such as 10.0.0.0/8; ports have a list of their own",
    )
}

/// A path in which no segment climbs.
pub(crate) fn normalised() -> Rule {
    rule(
        "!self.matches('(^|/)[.][.]?(/|$)')",
        "holds a segment . or ..; write the path without it",
    )
}
