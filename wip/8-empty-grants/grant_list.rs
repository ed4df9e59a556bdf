//! `GrantList`: a list of grants that tells "none" from "not named".

use std::borrow::Cow;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a component is granted of one kind. A manifest that does not name the kind denies it. An empty list grants the interface with nothing
/// in it: a component that imports it may start.
#[derive(Clone, Debug, PartialEq)]
pub struct GrantList<T>(Option<Vec<T>>);

impl<T> GrantList<T> {
    /// Whether the manifest names the kind.
    pub const fn is_granted(&self) -> bool {
        self.0.is_some()
    }

    /// Whether it does not.
    pub const fn is_absent(&self) -> bool {
        self.0.is_none()
    }
}

impl<T> Default for GrantList<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> From<Vec<T>> for GrantList<T> {
    fn from(grants: Vec<T>) -> Self {
        Self(Some(grants))
    }
}

impl<T> Deref for GrantList<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl<'a, T> IntoIterator for &'a GrantList<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Serialize> Serialize for GrantList<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for GrantList<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

impl<T: JsonSchema> JsonSchema for GrantList<T> {
    fn inline_schema() -> bool {
        Vec::<T>::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        Vec::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<T>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use crate::Capabilities;
    use serde_json::json;

    #[test]
    fn an_empty_list_is_a_grant_and_stays_one() {
        let none: Capabilities = serde_json::from_value(json!({})).unwrap();
        assert!(none.is_empty() && !none.config.is_granted());
        let written = json!({"config": [], "keyValue": [], "messaging": [], "secrets": []});
        let empty: Capabilities = serde_json::from_value(written.clone()).unwrap();
        assert!(empty.config.is_granted() && empty.config.is_empty() && !empty.is_empty());
        assert_eq!(serde_json::to_value(&empty).unwrap(), written);
    }
}
