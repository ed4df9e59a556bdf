//! Which services use which things, both ways: who has to be looked at when a thing changes. No lock, no client.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

/// A WasmService, by namespace and name.
pub(crate) type User = (String, String);

/// The users of things.
#[derive(Debug)]
pub(crate) struct Users<K> {
    users: HashMap<K, HashSet<User>>,
    used: HashMap<User, BTreeSet<K>>,
}

impl<K> Default for Users<K> {
    fn default() -> Self {
        Self {
            users: HashMap::new(),
            used: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash + Ord> Users<K> {
    /// Remembers what a service uses; nothing once it goes. Returns the things that nobody uses any more.
    pub(crate) fn uses(&mut self, user: User, wanted: BTreeSet<K>) -> Vec<K> {
        for thing in &wanted {
            let users = self.users.entry(thing.clone()).or_default();
            users.insert(user.clone());
        }
        let before = self.used.remove(&user).unwrap_or_default();
        let mut unused = Vec::new();
        for gone in before.difference(&wanted) {
            if let Some(users) = self.users.get_mut(gone) {
                users.remove(&user);
                if users.is_empty() {
                    self.users.remove(gone);
                    unused.push(gone.clone());
                }
            }
        }
        if !wanted.is_empty() {
            self.used.insert(user, wanted);
        }
        unused
    }

    /// Who uses a thing.
    pub(crate) fn of(&self, thing: &K) -> impl Iterator<Item = &User> {
        self.users.get(thing).into_iter().flatten()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty() && self.used.is_empty()
    }
}
