//! `wasi:keyvalue` 0.2.0-draft2, which Spin has: as 0.2.0-draft, but a cursor is a text.

use super::KeyValueError;
use super::host::bindings::{batch as batch1, store as store1};
use super::host::{Bucket, Buckets, Failure};
use wasmtime::component::Resource;

mod bindings {
    wasmtime::component::bindgen!({
        path: "wit/keyvalue2",
        world: "wasi:keyvalue/imports",
        imports: { default: async | trappable },
        with: { "wasi:keyvalue/store.bucket": crate::keyvalue::host::Bucket },
        trappable_error_type: { "wasi:keyvalue/store.error" => crate::keyvalue::host::Failure },
    });
}

pub(crate) use bindings::wasi::keyvalue::{batch, store};

impl store::Host for Buckets<'_> {
    async fn open(&mut self, identifier: String) -> Result<Resource<Bucket>, Failure> {
        store1::Host::open(self, identifier).await
    }

    fn convert_error(&mut self, failure: Failure) -> wasmtime::Result<store::Error> {
        Ok(match store1::Host::convert_error(self, failure)? {
            store1::Error::NoSuchStore => store::Error::NoSuchStore,
            store1::Error::AccessDenied => store::Error::AccessDenied,
            store1::Error::Other(text) => store::Error::Other(text),
        })
    }
}

impl store::HostBucket for Buckets<'_> {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>, Failure> {
        store1::HostBucket::get(self, bucket, key).await
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<(), Failure> {
        store1::HostBucket::set(self, bucket, key, value).await
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<(), Failure> {
        store1::HostBucket::delete(self, bucket, key).await
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Result<bool, Failure> {
        store1::HostBucket::exists(self, bucket, key).await
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Result<store::KeyResponse, Failure> {
        let cursor = match cursor {
            Some(text) => Some(text.parse().map_err(|_| KeyValueError::NoCursor)?),
            None => None,
        };
        let page = store1::HostBucket::list_keys(self, bucket, cursor).await?;
        Ok(store::KeyResponse {
            keys: page.keys,
            cursor: page.cursor.map(|cursor| cursor.to_string()),
        })
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        store1::HostBucket::drop(self, bucket).await
    }
}

impl batch::Host for Buckets<'_> {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, Failure> {
        batch1::Host::get_many(self, bucket, keys).await
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        pairs: Vec<(String, Vec<u8>)>,
    ) -> Result<(), Failure> {
        batch1::Host::set_many(self, bucket, pairs).await
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Result<(), Failure> {
        batch1::Host::delete_many(self, bucket, keys).await
    }
}
