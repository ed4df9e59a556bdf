//! Which parts belong to a composed component, in which order. Pure names: no bytes are looked at.

use crate::{ComposeError, MAX_BYTES, MAX_PARTS};
use std::collections::HashMap;

/// A component of the graph.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Its name in the manifest.
    pub name: &'a str,
    /// Its bytes: a component, not a core module.
    pub wasm: &'a [u8],
    /// What other parts provide for it.
    pub links: &'a [Link],
}

/// An import and the part that provides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The import: `acme:auth/check`, with or without its version.
    pub import: String,
    /// The name of the part that exports it.
    pub part: String,
}

/// The part `root` and all that it is linked to, directly or not, as places in `parts`: the root first, then the others in the order of
/// `parts`.
///
/// # Errors
///
/// A cycle, as the way around it; a link to a part that is not there; too many parts, or too many bytes.
pub fn order(root: &str, parts: &[Part<'_>]) -> Result<Vec<usize>, ComposeError> {
    let places: HashMap<&str, usize> = parts
        .iter()
        .enumerate()
        .map(|(at, part)| (part.name, at))
        .collect();
    let mut walk = Walk {
        parts,
        places,
        marks: vec![Mark::New; parts.len()],
        way: Vec::new(),
    };
    let start = walk.place(root, root, "")?;
    walk.visit(start)?;
    let mut found = vec![start];
    found.extend((0..parts.len()).filter(|at| *at != start && walk.marks.get(*at) == Some(&Mark::Done)));
    if found.len() > MAX_PARTS {
        return Err(ComposeError::TooManyParts {
            root: root.to_owned(),
            parts: found.len(),
        });
    }
    let bytes: usize = found
        .iter()
        .filter_map(|at| parts.get(*at))
        .map(|part| part.wasm.len())
        .sum();
    if bytes > MAX_BYTES {
        return Err(ComposeError::TooLarge {
            root: root.to_owned(),
            bytes,
        });
    }
    Ok(found)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    /// On the way from the root to where the walk is.
    Open,
    Done,
}

struct Walk<'a> {
    parts: &'a [Part<'a>],
    places: HashMap<&'a str, usize>,
    marks: Vec<Mark>,
    way: Vec<usize>,
}

impl<'a> Walk<'a> {
    fn place(&self, name: &str, from: &str, import: &str) -> Result<usize, ComposeError> {
        self.places
            .get(name)
            .copied()
            .ok_or_else(|| ComposeError::NoSuchPart {
                part: from.to_owned(),
                import: import.to_owned(),
                missing: name.to_owned(),
            })
    }

    /// Depth first, with a stack of its own: how deep the graph is, its author decides.
    fn visit(&mut self, start: usize) -> Result<(), ComposeError> {
        let mut stack = vec![(start, 0)];
        self.enter(start);
        while let Some((at, next)) = stack.pop() {
            let Some(part) = self.parts.get(at) else { continue };
            let Some(link) = part.links.get(next) else {
                if let Some(mark) = self.marks.get_mut(at) {
                    *mark = Mark::Done;
                }
                self.way.pop();
                continue;
            };
            stack.push((at, next + 1));
            let to = self.place(&link.part, part.name, &link.import)?;
            match self.marks.get(to) {
                Some(Mark::Open) => return Err(self.cycle(to)),
                Some(Mark::Done) => {}
                _ => {
                    self.enter(to);
                    stack.push((to, 0));
                }
            }
        }
        Ok(())
    }

    fn enter(&mut self, at: usize) {
        if let Some(mark) = self.marks.get_mut(at) {
            *mark = Mark::Open;
        }
        self.way.push(at);
    }

    fn cycle(&self, back: usize) -> ComposeError {
        let from = self.way.iter().position(|at| *at == back).unwrap_or(0);
        let mut names: Vec<String> = self
            .way
            .iter()
            .skip(from)
            .filter_map(|at| self.parts.get(*at))
            .map(|part| part.name.to_owned())
            .collect();
        names.extend(names.first().cloned());
        ComposeError::Cycle { names }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&'static str, &[&str])]) -> Vec<(&'static str, Vec<Link>)> {
        let links = |to: &[&str]| {
            to.iter()
                .map(|it| Link {
                    import: format!("a:b/{it}"),
                    part: (*it).to_owned(),
                })
                .collect()
        };
        edges.iter().map(|(name, to)| (*name, links(to))).collect()
    }

    fn run(root: &str, edges: &[(&'static str, &[&str])]) -> Result<Vec<usize>, ComposeError> {
        let graph = graph(edges);
        let parts: Vec<_> = graph
            .iter()
            .map(|(name, links)| Part {
                name,
                wasm: &[],
                links,
            })
            .collect();
        order(root, &parts)
    }

    #[test]
    fn the_root_comes_first_and_strangers_stay_out() {
        let edges: &[(&str, &[&str])] = &[("c", &[]), ("x", &["c"]), ("b", &["c"]), ("a", &["b", "c"])];
        assert_eq!(run("a", edges).expect("an order"), [3, 0, 2]);
    }

    #[test]
    fn a_cycle_is_shown_as_the_way_around_it() {
        let edges: &[(&str, &[&str])] = &[("web", &["a"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"])];
        let error = run("web", edges).expect_err("a cycle").to_string();
        assert!(error.contains("a → b → c → a"), "{error}");
    }

    #[test]
    fn a_link_to_nobody_is_named() {
        let error = run("a", &[("a", &["gone"])]).expect_err("missing").to_string();
        assert!(
            error.contains("component a: links: a:b/gone") && error.contains("no component gone"),
            "{error}"
        );
    }

    #[test]
    fn two_hundred_parts_are_too_many_in_a_chain_and_in_a_star() {
        let names: Vec<&'static str> = (0..200)
            .map(|at| &*Box::leak(format!("p{at}").into_boxed_str()))
            .collect();
        let chain: Vec<(&str, Vec<&str>)> = (0..200)
            .map(|at| (names[at], names.get(at + 1).copied().into_iter().collect()))
            .collect();
        let chain: Vec<(&'static str, &[&str])> = chain
            .iter()
            .map(|(name, to)| (*name as &'static str, to.as_slice()))
            .collect();
        let error = run("p0", &chain).expect_err("too many").to_string();
        assert!(
            error.contains("200 components") && error.contains("64"),
            "{error}"
        );
        let mut star: Vec<(&'static str, &[&str])> =
            names.iter().skip(1).map(|name| (*name, [].as_slice())).collect();
        star.push(("p0", &names[1..]));
        let error = run("p0", &star).expect_err("too many").to_string();
        assert!(error.contains("200 components"), "{error}");
        star.pop();
        star.push(("p0", &names[1..64]));
        assert_eq!(run("p0", &star).expect("64 are allowed").len(), 64);
    }
}
