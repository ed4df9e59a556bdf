//! What a component sees of the stores it was granted.

use super::*;
use crate::GrantsBuilder;
use crate::keyvalue::Memory;
use atomics::Host as _;
use batch::Host as _;
use std::sync::Arc;
use store::{Host as _, HostBucket as _};

fn grants() -> Arc<Grants> {
    let shared = Arc::new(Memory::default());
    let grant = |read_only| Store {
        store: shared.clone(),
        read_only,
    };
    let stores = [("rw".to_owned(), grant(false)), ("ro".to_owned(), grant(true))].into();
    GrantsBuilder {
        stores,
        ..GrantsBuilder::default()
    }
    .build()
    .expect("grants")
}

#[tokio::test]
async fn names_lead_to_the_stores_granted_and_no_other() {
    let (grants, mut table) = (grants(), ResourceTable::new());
    let mut host = Buckets {
        request: crate::RequestId(1),
        grants: &grants,
        table: &mut table,
    };
    for name in ["", "default", "RW"] {
        let failure = host.open(name.to_owned()).await.expect_err("not granted");
        assert!(matches!(
            host.convert_error(failure),
            Ok(store::Error::NoSuchStore)
        ));
    }
    let bucket = host.open("rw".to_owned()).await.expect("granted").rep();
    let bucket = || Resource::new_borrow(bucket);
    host.set(bucket(), "k".into(), b"v".to_vec()).await.expect("set");
    assert_eq!(
        host.get(bucket(), "k".into()).await.expect("get"),
        Some(b"v".to_vec())
    );
    assert_eq!(
        host.increment(bucket(), "n".into(), 5).await.expect("increment"),
        5
    );
    let many = host
        .get_many(bucket(), vec!["k".into(), "x".into()])
        .await
        .expect("get");
    assert_eq!(many, [Some(("k".to_owned(), b"v".to_vec())), None]);
    assert_eq!(
        host.list_keys(bucket(), None).await.expect("list").keys,
        ["k", "n"]
    );
}

#[tokio::test]
async fn read_only_means_every_write_is_refused() {
    let (grants, mut table) = (grants(), ResourceTable::new());
    let mut host = Buckets {
        request: crate::RequestId(1),
        grants: &grants,
        table: &mut table,
    };
    let bucket = host.open("ro".to_owned()).await.expect("granted").rep();
    let bucket = || Resource::new_borrow(bucket);
    let failures = [
        host.set(bucket(), "k".into(), vec![])
            .await
            .expect_err("read-only"),
        host.delete(bucket(), "k".into()).await.expect_err("read-only"),
        host.increment(bucket(), "k".into(), 1)
            .await
            .expect_err("read-only"),
        host.set_many(bucket(), vec![]).await.expect_err("read-only"),
        host.delete_many(bucket(), vec![]).await.expect_err("read-only"),
    ];
    for failure in failures {
        assert!(matches!(
            host.convert_error(failure),
            Ok(store::Error::AccessDenied)
        ));
    }
    assert_eq!(
        host.get(bucket(), "k".into()).await.expect("reading is allowed"),
        None
    );
}

#[tokio::test]
async fn limits_are_told_to_the_guest() {
    let (grants, mut table) = (grants(), ResourceTable::new());
    let mut host = Buckets {
        request: crate::RequestId(1),
        grants: &grants,
        table: &mut table,
    };
    let bucket = host.open("rw".to_owned()).await.expect("granted");
    let failure = host
        .set(bucket, "k".into(), vec![0; (1 << 20) + 1])
        .await
        .expect_err("too large");
    let Ok(store::Error::Other(told)) = host.convert_error(failure) else {
        panic!("not told")
    };
    assert_eq!(
        told,
        "the value has 1048577 bytes; the store takes values of at most 1048576"
    );
}
