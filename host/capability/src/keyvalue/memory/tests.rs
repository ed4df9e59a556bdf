//! The store in memory: what it keeps, what it refuses.

use super::*;

fn small() -> Memory {
    Memory::new(MemoryOptions {
        total: 1000,
        sizes: Sizes { value: 200, key: 10 },
    })
}

#[tokio::test]
async fn values_are_kept_replaced_and_removed() {
    let store = Memory::default();
    assert_eq!(store.get("a").await, Ok(None));
    store.set("a", b"1".to_vec()).await.expect("set");
    store.set("a", b"22".to_vec()).await.expect("set");
    assert_eq!(store.get("a").await, Ok(Some(b"22".to_vec())));
    assert_eq!(store.exists("a").await, Ok(true));
    store.delete("a").await.expect("delete");
    store
        .delete("a")
        .await
        .expect("deleting what is not there is no error");
    assert_eq!(store.exists("a").await, Ok(false));
    assert_eq!(store.lock().used, 0);
}

#[tokio::test]
async fn every_limit_is_named() {
    let store = small();
    let error = store.set("a", vec![0; 201]).await.expect_err("too large");
    assert_eq!(
        error.to_string(),
        "the value has 201 bytes; the store takes values of at most 200"
    );
    let error = store.set("01234567890", vec![]).await.expect_err("too long");
    assert_eq!(
        error.to_string(),
        "the key has 11 bytes; the store takes keys of at most 10"
    );
    for key in ["a", "b", "c"] {
        store.set(key, vec![0; 200]).await.expect("three fit");
    }
    assert_eq!(
        store.set("d", vec![0; 200]).await,
        Err(KeyValueError::Full { limit: 1000 })
    );
    assert_eq!(store.exists("d").await, Ok(false));
    store
        .set("a", vec![1; 200])
        .await
        .expect("replacing needs no more room");
    store.delete("b").await.expect("delete");
    store.set("d", vec![0; 200]).await.expect("there is room again");
}

#[tokio::test]
async fn counters_do_not_wrap_and_do_not_touch_what_is_no_number() {
    let store = Memory::default();
    assert_eq!(store.increment("n", 2).await, Ok(2));
    assert_eq!(store.increment("n", 3).await, Ok(5));
    assert_eq!(store.get("n").await, Ok(Some(b"5".to_vec())));
    assert!(store.increment("n", u64::MAX).await.is_err());
    store.set("n", b"five".to_vec()).await.expect("set");
    assert!(store.increment("n", 1).await.is_err());
    assert_eq!(store.get("n").await, Ok(Some(b"five".to_vec())));
}

#[tokio::test]
async fn keys_come_in_pages_that_survive_changes() {
    let store = Memory::default();
    for n in 0..2500 {
        store.set(&format!("{n:04}"), vec![]).await.expect("set");
    }
    let first = store.list_keys(None).await.expect("a page");
    assert_eq!(first.keys.len(), 1000);
    store.delete("0500").await.expect("delete");
    store
        .delete("0999")
        .await
        .expect("delete the very key that the page ended with");
    let second = store.list_keys(first.cursor).await.expect("a page");
    assert_eq!(second.keys.first().map(String::as_str), Some("1000"));
    let third = store.list_keys(second.cursor).await.expect("a page");
    assert_eq!((third.keys.len(), third.cursor), (500, None));
    assert_eq!(store.list_keys(Some(u64::MAX)).await, Ok(Keys::default()));
}

#[tokio::test]
async fn swapping_compares_first() {
    let store = Memory::default();
    assert_eq!(
        store.compare_and_swap("k", Some(b"x"), Some(b"y".to_vec())).await,
        Ok(false)
    );
    assert_eq!(
        store.compare_and_swap("k", None, Some(b"y".to_vec())).await,
        Ok(true)
    );
    assert_eq!(store.compare_and_swap("k", Some(b"y"), None).await, Ok(true));
    assert_eq!(store.exists("k").await, Ok(false));
    assert_eq!(store.lock().used, 0);
}

#[tokio::test]
async fn batches_are_bounded() {
    let store = Memory::default();
    store
        .set_many(vec![("a".into(), vec![0; 1 << 20]), ("b".into(), vec![1])])
        .await
        .expect("set");
    let values = store.get_many(&["b".into(), "c".into()]).await.expect("get");
    assert_eq!(values, [Some(vec![1]), None]);
    let many = vec!["a".to_owned(); 17];
    assert_eq!(
        store.get_many(&many).await,
        Err(KeyValueError::BatchTooLarge { limit: 16 << 20 })
    );
    store
        .delete_many(&["a".into(), "b".into()])
        .await
        .expect("delete");
    assert_eq!(store.list_keys(None).await, Ok(Keys::default()));
}

#[tokio::test]
async fn many_writers_lose_nothing() {
    let store = std::sync::Arc::new(Memory::default());
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let store = std::sync::Arc::clone(&store);
            std::thread::spawn(move || {
                for _ in 0..1000 {
                    futures_lite(store.increment("n", 1)).expect("increment");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().expect("a writer");
    }
    assert_eq!(store.increment("n", 0).await, Ok(8000));
}

/// Polls a future that is ready at once, as all of this store's are.
fn futures_lite<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("a store in memory never waits"),
    }
}
