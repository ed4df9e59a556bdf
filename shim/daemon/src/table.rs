//! The containers of a node, by id and by pod. What is known of one is in `entry`; which are in a worker, the worker knows.

use crate::entry::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The table.
#[derive(Default)]
pub(crate) struct Table {
    containers: HashMap<String, Arc<Entry>>,
    /// The ids of a pod's containers, by the pod's.
    pods: HashMap<String, BTreeSet<String>>,
}

impl Table {
    /// Adds a container; false where there is one of its name.
    pub(crate) fn insert(&mut self, entry: &Arc<Entry>) -> bool {
        if self.containers.contains_key(&entry.id) {
            return false;
        }
        if let Some(program) = &entry.program {
            let pod = self.pods.entry(program.sandbox.clone()).or_default();
            pod.insert(entry.id.clone());
        }
        self.containers.insert(entry.id.clone(), Arc::clone(entry));
        true
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Entry>> {
        self.containers.get(id)
    }

    /// Those of a pod, without its pause container, in the order of their ids.
    pub(crate) fn of_pod(&self, sandbox: &str) -> Vec<Arc<Entry>> {
        let ids = self.pods.get(sandbox).into_iter().flatten();
        ids.filter_map(|id| self.get(id).cloned()).collect()
    }

    /// All, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.containers.values()
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<Entry>> {
        let entry = self.containers.remove(id)?;
        if let Some(program) = &entry.program
            && let Some(pod) = self.pods.get_mut(&program.sandbox)
        {
            pod.remove(id);
            if pod.is_empty() {
                self.pods.remove(&program.sandbox);
            }
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pods::Pods;
    use crate::tests::container;

    #[test]
    fn containers_are_found_by_their_pod_for_as_long_as_they_are_there() {
        let (mut table, pods) = (Table::default(), Pods::default());
        let [a, b, c] =
            [("a", "one"), ("b", "one"), ("c", "two")].map(|(id, pod)| Entry::new(container(id, pod), &pods));
        assert!(table.insert(&a) && table.insert(&b) && table.insert(&c));
        assert!(
            !table.insert(&Entry::new(container("a", "two"), &pods)),
            "the name is taken"
        );
        let ids =
            |table: &Table, pod| -> Vec<_> { table.of_pod(pod).iter().map(|it| it.id.clone()).collect() };
        assert_eq!(ids(&table, "one"), ["a", "b"]);
        assert_eq!(ids(&table, "two"), ["c"]);
        table.remove("a");
        table.remove("c");
        table.remove("c");
        assert_eq!(ids(&table, "one"), ["b"]);
        assert!(table.of_pod("two").is_empty() && table.pods.len() == 1);
        assert_eq!(table.all().count(), 1);
    }
}
