//! A message from a process that may be of another version. Which messages there are belongs to those who speak.

use serde::de::value::Error as Stop;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use serde_json::{Map, Value};

/// What was received: an enum `T` in serde's external tagging, as far as this version knows it.
///
/// A newer version may send kinds that this one does not know. They are named, so that the receiver can log and skip them. Fields that
/// this version does not know are ignored, and fields that the sender did not know need a default.
#[derive(Debug)]
pub enum Message<T> {
    /// A message of this version.
    Known(T),
    /// A kind that this version does not know. Skip it.
    Unknown {
        /// Its name.
        kind: String,
    },
    /// A kind that this version knows, with a content that it can't read. The sender is broken, hostile, or newer than it should be.
    Unreadable {
        /// Its name.
        kind: String,
        /// All of it.
        content: Value,
        /// What is wrong with it.
        error: serde_json::Error,
    },
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Message<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (kind, content) = match Value::deserialize(deserializer)? {
            // How a variant without fields is written. It may have got fields since, which then are all absent.
            Value::String(kind) => {
                let content = Value::Object(Map::from_iter([(kind.clone(), Value::Null)]));
                (kind, content)
            }
            Value::Object(content) if content.len() == 1 => {
                let kind = content.keys().next().cloned().unwrap_or_default();
                (kind, Value::Object(content))
            }
            _ => {
                return Err(D::Error::custom(
                    "no message: its name, or an object with its name as the only key",
                ));
            }
        };
        if !kinds::<T>().contains(&kind.as_str()) {
            return Ok(Self::Unknown { kind });
        }
        Ok(match T::deserialize(&content) {
            Ok(message) => Self::Known(message),
            Err(error) => Self::Unreadable { kind, content, error },
        })
    }
}

/// The names of the variants of `T`, which is an enum.
pub fn kinds<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut variants: &[&str] = &[];
    // It stops at once: the names are all that is wanted.
    let _ = T::deserialize(Variants(&mut variants));
    variants
}

/// A deserializer that notes which variants it is asked for.
struct Variants<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Variants<'_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        Err(Stop::custom("no enum"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Stop> {
        *self.0 = variants;
        Err(Stop::custom("the names are known"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Said {
        Hello(Option<u32>),
        Bye,
        Start { id: String },
    }

    fn received(json: &str) -> Result<Message<Said>, serde_json::Error> {
        serde_json::from_str(json)
    }

    fn known(json: &str) -> Said {
        match received(json) {
            Ok(Message::Known(said)) => said,
            other => panic!("{json}: {other:?}"),
        }
    }

    #[test]
    fn what_is_known_is_read_whether_it_had_fields_then_or_not() {
        assert_eq!(known(r#""hello""#), Said::Hello(None));
        assert_eq!(known(r#"{"hello":7}"#), Said::Hello(Some(7)));
        assert_eq!(known(r#""bye""#), Said::Bye);
        let start = known(r#"{"start":{"id":"a","since":"tomorrow"}}"#);
        assert_eq!(start, Said::Start { id: "a".to_owned() });
    }

    #[test]
    fn what_is_not_known_is_named() {
        for json in [r#""sing""#, r#"{"sing":{"id":"a","of":[1]}}"#, r#"{"sing":null}"#] {
            let message = received(json).unwrap();
            assert!(
                matches!(&message, Message::Unknown { kind } if kind == "sing"),
                "{message:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_handed_over_whole() {
        let json = r#"{"start":{"name":"a"}}"#;
        match received(json).unwrap() {
            Message::Unreadable { kind, content, .. } => {
                assert_eq!((kind.as_str(), content.to_string().as_str()), ("start", json))
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            received(r#""start""#).unwrap(),
            Message::Unreadable { .. }
        ));
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        for json in ["{", "{}", "7", "[]", r#"{"bye":null,"hello":null}"#, r#""bye" 7"#] {
            assert!(received(json).is_err(), "{json}");
        }
    }
}
