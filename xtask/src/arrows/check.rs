//! The comparison of a workspace with the rules: a function of both, that returns every forbidden edge. No I/O.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use super::graph::{Crate, Dependency, Graph};
use super::rules::{Absent, Arrow, External, Feature, Room, Rules, When};

/// A forbidden edge, who has it, and what would have been allowed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// `operator/controller -> shim/daemon`
    pub(crate) edge: String,
    /// Where it stands and what is wrong.
    pub(crate) problem: String,
    /// What is allowed instead.
    pub(crate) allowed: String,
    /// The rule's reason.
    pub(crate) why: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "forbidden: {}\n  {}\n  allowed: {}\n  why: {}",
            self.edge, self.problem, self.allowed, self.why
        )
    }
}

/// Every edge of `graph` that `rules` do not allow, in the graph's order.
pub(crate) fn check(graph: &Graph, rules: &Rules) -> Vec<Violation> {
    let mut found = Vec::new();
    for each in &graph.crates {
        match rules.rooms.iter().find(|room| covers(room.folder, &each.folder)) {
            Some(room) => found.extend(
                each.dependencies
                    .iter()
                    .filter_map(|entry| internal(each, entry, room)),
            ),
            None => found.push(Violation {
                edge: format!("{} -> anything", each.folder),
                problem: format!("{} lies in a folder that has no row in the rules", each.name),
                allowed: "add a row to `rooms` in xtask/src/arrows/rules.rs that says what it may use"
                    .to_owned(),
                why: "an arrow between crates is decided, it does not happen",
            }),
        }
        for entry in each.dependencies.iter().filter(|entry| entry.folder.is_none()) {
            found.extend(
                rules
                    .externals
                    .iter()
                    .filter_map(|rule| external(each, entry, rule)),
            );
        }
        found.extend(rules.features.iter().flat_map(|rule| features(each, rule)));
        let here = rules.absent.iter();
        let here = here.filter(|rule| rule.from.iter().any(|from| covers(from, &each.folder)));
        found.extend(here.filter_map(|rule| absent(each, graph, rule)));
    }
    found
}

fn internal(from: &Crate, entry: &Dependency, room: &Room) -> Option<Violation> {
    let folder = entry.folder.as_deref()?;
    let fits = |arrow: &&Arrow| {
        covers(arrow.folder, folder)
            && match arrow.when {
                When::Always => true,
                When::Optional => entry.optional,
            }
    };
    if room.may_use.iter().any(|arrow| fits(&arrow)) {
        return None;
    }
    let list: Vec<String> = room
        .may_use
        .iter()
        .map(|arrow| match arrow.when {
            When::Always => arrow.folder.to_owned(),
            When::Optional => format!("{} (as an optional dependency)", arrow.folder),
        })
        .collect();
    let allowed = if list.is_empty() {
        "no crate of this workspace".to_owned()
    } else {
        list.join(", ")
    };
    Some(Violation {
        edge: format!("{} -> {folder}", from.folder),
        problem: stands(from, entry),
        allowed: format!("{} may use {allowed}", from.folder),
        why: room.why,
    })
}

fn external(from: &Crate, entry: &Dependency, rule: &External) -> Option<Violation> {
    let asked = |feature: &str| match feature {
        "default" => entry.default_features,
        name => entry.features.iter().any(|each| each == name),
    };
    let meant = named(rule.crates, rule.except, &entry.name)
        && (rule.with_features.is_empty() || rule.with_features.iter().any(|feature| asked(feature)))
        && !rule.allowed_in.iter().any(|folder| covers(folder, &from.folder));
    meant.then(|| Violation {
        edge: format!("{} -> {}", from.folder, entry.name),
        problem: format!("{}; that is {}", stands(from, entry), rule.what),
        allowed: format!("only in {}", rule.allowed_in.join(", ")),
        why: rule.why,
    })
}

fn features(from: &Crate, rule: &Feature) -> Vec<Violation> {
    let violation = |edge: &str, problem: String| Violation {
        edge: format!("{} -> {edge}", from.folder),
        problem,
        allowed: match rule.behind_a_feature_of {
            [] => "nowhere but on cargo's command line".to_owned(),
            folders => format!("only from a feature of {}, off by default", folders.join(", ")),
        },
        why: rule.why,
    };
    let may = rule
        .behind_a_feature_of
        .iter()
        .any(|folder| covers(folder, &from.folder));
    let mut found = Vec::new();
    for entry in from
        .dependencies
        .iter()
        .filter(|entry| entry.name == rule.of && !(may && entry.optional))
    {
        for feature in rule.features {
            let on = match *feature {
                "default" => entry.default_features,
                name => entry.features.iter().any(|each| each == name),
            };
            if on {
                let edge = format!("{}/{feature}", rule.of);
                found.push(violation(
                    &edge,
                    format!("{} with the feature `{feature}`", stands(from, entry)),
                ));
            }
        }
    }
    if rule
        .behind_a_feature_of
        .iter()
        .any(|folder| covers(folder, &from.folder))
    {
        return found;
    }
    for (name, turned_on) in &from.features {
        for feature in rule.features {
            let forms = [
                format!("{}/{feature}", rule.of),
                format!("{}?/{feature}", rule.of),
            ];
            if turned_on.iter().any(|each| forms.contains(each)) {
                found.push(violation(
                    &forms[0],
                    format!("the feature `{name}` of {} turns it on", from.name),
                ));
            }
        }
    }
    found
}

/// The shortest way from `from` to a crate that must not be in its tree.
fn absent(from: &Crate, graph: &Graph, rule: &Absent) -> Option<Violation> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([from.name.as_str()]);
    while let Some(at) = queue.pop_front() {
        if named(rule.crates, rule.except, at) {
            let mut path = vec![at];
            let mut step = at;
            while let Some(previous) = came_from.get(step).copied() {
                path.push(previous);
                step = previous;
            }
            path.reverse();
            return Some(Violation {
                edge: format!("{} -> {at}", from.folder),
                problem: format!("by way of {}; that is {}", path.join(" -> "), rule.what),
                allowed: format!("in no tree of {}, with default features", rule.from.join(", ")),
                why: rule.why,
            });
        }
        for next in graph.tree.get(at).into_iter().flatten() {
            if next != &from.name && !came_from.contains_key(next.as_str()) {
                came_from.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}

fn stands(from: &Crate, entry: &Dependency) -> String {
    format!("{} has {} in its {}", from.name, entry.name, entry.kind.table())
}

fn named(names: &[&str], except: &[&str], name: &str) -> bool {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    };
    names.iter().any(|pattern| fits(pattern)) && !except.contains(&name)
}

fn covers(pattern: &str, folder: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => folder.starts_with(prefix),
        None => pattern == folder,
    }
}
