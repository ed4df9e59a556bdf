//! `shoal:service/kv-store`: strings in the store that is granted as `default`. Its signatures have no place for an error, so a call
//! that fails ends the request.

use super::{KeyValueError, Store};
use crate::Grants;
use wasmtime::component::HasData;

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package shoal:host;
            world strings {
                import shoal:service/kv-store@0.1.0;
            }
        ",
        imports: { default: async | trappable },
    });

    pub(crate) use self::shoal::service::kv_store;
}

/// The name under which the grant must stand.
const NAME: &str = "default";

/// Why a call of `kv-store` ended the request.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("shoal:service/kv-store: {0}")]
    Store(#[from] KeyValueError),
    #[error("shoal:service/kv-store: the value of {key:?} is not UTF-8; import wasi:keyvalue to read bytes")]
    NotText { key: String },
}

pub(crate) struct HasStrings;

impl HasData for HasStrings {
    type Data<'a> = Strings<'a>;
}

pub(crate) struct Strings<'a>(pub(crate) &'a Grants);

impl Strings<'_> {
    fn store(&self) -> Result<&Store, KeyValueError> {
        self.0.stores.get(NAME).ok_or_else(|| KeyValueError::NoSuchStore {
            name: NAME.to_owned(),
        })
    }

    async fn read(&self, key: String) -> Result<Option<String>, Failed> {
        match self.store()?.store.get(&key).await? {
            Some(bytes) => String::from_utf8(bytes)
                .map(Some)
                .map_err(|_| Failed::NotText { key }),
            None => Ok(None),
        }
    }

    async fn write(&self, key: &str, value: String) -> Result<(), Failed> {
        Ok(self.store()?.writable(NAME)?.set(key, value.into_bytes()).await?)
    }
}

impl bindings::kv_store::Host for Strings<'_> {
    async fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        self.read(key).await.map_err(wasmtime::Error::new)
    }

    async fn set(&mut self, key: String, value: String) -> wasmtime::Result<()> {
        self.write(&key, value).await.map_err(wasmtime::Error::new)
    }
}

#[cfg(test)]
mod tests {
    use super::bindings::kv_store::Host as _;
    use super::*;
    use crate::GrantsBuilder;
    use crate::keyvalue::{KeyValue as _, Memory};
    use std::sync::Arc;

    fn grants(store: &Arc<Memory>, read_only: bool) -> Arc<Grants> {
        let store = Store {
            store: Arc::clone(store) as _,
            read_only,
        };
        GrantsBuilder {
            stores: [(NAME.to_owned(), store)].into(),
            ..GrantsBuilder::default()
        }
        .build()
        .expect("grants")
    }

    #[tokio::test]
    async fn strings_are_kept_in_the_default_store() {
        let memory = Arc::new(Memory::default());
        let grants = grants(&memory, false);
        Strings(&grants).set("k".into(), "v".into()).await.expect("set");
        assert_eq!(
            Strings(&grants).get("k".into()).await.expect("get"),
            Some("v".to_owned())
        );
        assert_eq!(memory.get("k").await, Ok(Some(b"v".to_vec())));
    }

    #[tokio::test]
    async fn what_fails_is_said_in_words() {
        let memory = Arc::new(Memory::default());
        memory.set("k", vec![0xff]).await.expect("set");
        let grants = grants(&memory, true);
        let error = Strings(&grants)
            .get("k".into())
            .await
            .expect_err("not text")
            .to_string();
        assert_eq!(
            error,
            "shoal:service/kv-store: the value of \"k\" is not UTF-8; import wasi:keyvalue to read bytes"
        );
        let error = Strings(&grants)
            .set("k".into(), "v".into())
            .await
            .expect_err("read-only")
            .to_string();
        assert!(error.contains("set readOnly: false"), "{error}");
    }
}
