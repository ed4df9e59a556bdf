//! `wasi:keyvalue`: buckets are the stores that were granted, by the name they were granted under.

use super::{KeyValueError, Store};
use crate::{Grants, RequestId};
use wasmtime::component::{HasData, Resource, ResourceTable, ResourceTableError};

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "wit/keyvalue",
        world: "wasi:keyvalue/imports",
        imports: { default: async | trappable },
        with: { "wasi:keyvalue/store.bucket": super::Bucket },
        trappable_error_type: { "wasi:keyvalue/store.error" => super::Failure },
    });

    pub(crate) use self::wasi::keyvalue::{atomics, batch, store};
}

use bindings::{atomics, batch, store};

/// An open store.
#[expect(unreachable_pub, reason = "the generated bindings export it anew")]
#[derive(Clone, Debug)]
pub struct Bucket {
    name: String,
    store: Store,
}

/// What a call ends with: an error that the guest sees, or a trap.
#[derive(Debug)]
pub(crate) enum Failure {
    Told(KeyValueError),
    Trap(ResourceTableError),
}

impl From<KeyValueError> for Failure {
    fn from(error: KeyValueError) -> Self {
        Self::Told(error)
    }
}

impl From<ResourceTableError> for Failure {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error)
    }
}

pub(crate) struct HasBuckets;

impl HasData for HasBuckets {
    type Data<'a> = Buckets<'a>;
}

pub(crate) struct Buckets<'a> {
    pub(crate) request: RequestId,
    pub(crate) grants: &'a Grants,
    pub(crate) table: &'a mut ResourceTable,
}

impl Buckets<'_> {
    /// Cloned (two pointers and a short string), for the table must not stay borrowed while a store is waited for.
    fn bucket(&self, bucket: &Resource<Bucket>) -> Result<Bucket, Failure> {
        Ok(self.table.get(bucket)?.clone())
    }
}

impl store::Host for Buckets<'_> {
    async fn open(&mut self, identifier: String) -> Result<Resource<Bucket>, Failure> {
        let stores = &self.grants.stores;
        // Some guests open "" for the store that others call default.
        let default = || stores.get("default").filter(|_| identifier.is_empty());
        let Some(store) = stores.get(&identifier).or_else(default) else {
            let error = KeyValueError::NoSuchStore { name: identifier };
            self.grants.report.refused(self.request, "keyValue", &error);
            return Err(error.into());
        };
        Ok(self.table.push(Bucket {
            name: identifier,
            store: store.clone(),
        })?)
    }

    fn convert_error(&mut self, failure: Failure) -> wasmtime::Result<store::Error> {
        match failure {
            Failure::Trap(error) => Err(error.into()),
            Failure::Told(KeyValueError::NoSuchStore { .. }) => Ok(store::Error::NoSuchStore),
            Failure::Told(KeyValueError::ReadOnly { .. }) => Ok(store::Error::AccessDenied),
            Failure::Told(error) => Ok(store::Error::Other(error.to_string())),
        }
    }
}

impl store::HostBucket for Buckets<'_> {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.bucket(&bucket)?.store.store.get(&key).await?)
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<(), Failure> {
        let Bucket { name, store } = self.bucket(&bucket)?;
        Ok(store.writable(&name)?.set(&key, value).await?)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<(), Failure> {
        let Bucket { name, store } = self.bucket(&bucket)?;
        Ok(store.writable(&name)?.delete(&key).await?)
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Result<bool, Failure> {
        Ok(self.bucket(&bucket)?.store.store.exists(&key).await?)
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<u64>,
    ) -> Result<store::KeyResponse, Failure> {
        let page = self.bucket(&bucket)?.store.store.list_keys(cursor).await?;
        Ok(store::KeyResponse {
            keys: page.keys,
            cursor: page.cursor,
        })
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for Buckets<'_> {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: u64) -> Result<u64, Failure> {
        let Bucket { name, store } = self.bucket(&bucket)?;
        Ok(store.writable(&name)?.increment(&key, delta).await?)
    }
}

impl batch::Host for Buckets<'_> {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, Failure> {
        let values = self.bucket(&bucket)?.store.store.get_many(&keys).await?;
        Ok(keys
            .into_iter()
            .zip(values)
            .map(|(key, value)| value.map(|value| (key, value)))
            .collect())
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        pairs: Vec<(String, Vec<u8>)>,
    ) -> Result<(), Failure> {
        let Bucket { name, store } = self.bucket(&bucket)?;
        Ok(store.writable(&name)?.set_many(pairs).await?)
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Result<(), Failure> {
        let Bucket { name, store } = self.bucket(&bucket)?;
        Ok(store.writable(&name)?.delete_many(&keys).await?)
    }
}

#[cfg(test)]
mod tests;
