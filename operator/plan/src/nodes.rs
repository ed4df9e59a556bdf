//! In which order nodes get the shim: a few at a time, and no further one while one is not done. Who works on a node is the
//! installer, whose pods run where the label `shoal.dev/install` is; pods of components run where `shoal.dev/runtime` is.

/// On a node: whether the installer runs there. `false`, or anything but `true`: the node is left alone.
pub const INSTALL: &str = "shoal.dev/install";
/// On a node: whether the shim is there, and was seen to work.
pub const RUNTIME: &str = "shoal.dev/runtime";

/// A node, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Whether it is ready, as kubelet says.
    pub ready: bool,
    /// The value of [`INSTALL`].
    pub install: Option<String>,
    /// The value of [`RUNTIME`].
    pub runtime: Option<String>,
    /// Whether the installer's pod on it is ready; none where there is no such pod.
    pub installer: Option<bool>,
}

/// What to do to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Put [`INSTALL`] on it.
    Install(String),
    /// Put [`RUNTIME`] on it.
    Offer(String),
}

/// What to do next, with at most `max_unavailable` nodes under work at once.
pub fn steps(nodes: &[Node], max_unavailable: usize) -> Vec<Step> {
    let chosen = |node: &&Node| node.install.as_deref() == Some("true");
    let done = |node: &Node| node.installer == Some(true);
    let offered = |node: &Node| node.runtime.as_deref() == Some("true");
    let mut steps: Vec<_> = nodes
        .iter()
        .filter(|node| chosen(node) && done(node) && !offered(node))
        .map(|node| Step::Offer(node.name.clone()))
        .collect();
    let under_work = nodes.iter().filter(|node| chosen(node) && !done(node)).count();
    let mut next: Vec<_> = nodes
        .iter()
        .filter(|node| node.install.is_none() && node.ready)
        .collect();
    next.sort_by(|one, other| one.name.cmp(&other.name));
    let next = next.into_iter().take(max_unavailable.saturating_sub(under_work));
    steps.extend(next.map(|node| Step::Install(node.name.clone())));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> Node {
        Node {
            name: name.to_owned(),
            ready: true,
            install: None,
            runtime: None,
            installer: None,
        }
    }

    fn under_work(name: &str, installer: Option<bool>) -> Node {
        Node {
            install: Some("true".to_owned()),
            installer,
            ..node(name)
        }
    }

    #[test]
    fn a_few_at_a_time() {
        let nodes = [node("b"), node("a"), node("c")];
        assert_eq!(
            steps(&nodes, 2),
            [Step::Install("a".to_owned()), Step::Install("b".to_owned())]
        );
        assert_eq!(steps(&[under_work("a", None), node("b")], 1), []);
        assert_eq!(
            steps(&[under_work("a", Some(false)), node("b")], 1),
            [],
            "it is halted by one that fails"
        );
        let steps = steps(&[under_work("a", Some(true)), node("b")], 1);
        assert_eq!(
            steps,
            [Step::Offer("a".to_owned()), Step::Install("b".to_owned())]
        );
    }

    #[test]
    fn a_node_that_is_done_or_left_alone_or_not_ready_is_not_touched() {
        let done = Node {
            runtime: Some("true".to_owned()),
            ..under_work("a", Some(true))
        };
        let left_alone = Node {
            install: Some("false".to_owned()),
            ..node("b")
        };
        let not_ready = Node {
            ready: false,
            ..node("c")
        };
        assert_eq!(steps(&[done, left_alone, not_ready], 3), []);
    }
}
