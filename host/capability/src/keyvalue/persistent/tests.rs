//! The store in a file: what stays, what is refused, what a full disk does. What a crash leaves is shown end to end.

use super::*;

fn open(folder: &Path) -> Persistent {
    Persistent::open(&folder.join("data.redb"), Sizes::default()).expect("a store")
}

#[tokio::test]
async fn what_was_written_is_there_after_it_was_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    {
        let store = open(folder.path());
        store.set("a", b"1".to_vec()).await.expect("set");
        assert_eq!(store.increment("n", 2).await, Ok(2));
        store
            .set_many(vec![("b".into(), vec![]), ("c".into(), vec![0xff])])
            .await
            .expect("set");
        store.delete("b").await.expect("delete");
    }
    let store = open(folder.path());
    let values = store.get_many(&["a".into(), "b".into(), "c".into()]).await;
    assert_eq!(values, Ok(vec![Some(b"1".to_vec()), None, Some(vec![0xff])]));
    assert_eq!(store.increment("n", 40).await, Ok(42));
    assert_eq!(store.list_keys(None).await.expect("keys").keys, ["a", "c", "n"]);
    assert_eq!(store.exists("a").await, Ok(true));
    assert_eq!(store.exists("b").await, Ok(false));
}

#[tokio::test]
async fn writers_at_once_share_transactions_and_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(open(folder.path()));
    let writers = (0..64).map(|writer| {
        let store = Arc::clone(&store);
        async move {
            for n in 0..8 {
                store.increment("n", 1).await.expect("increment");
                store.set(&format!("{writer}-{n}"), vec![1]).await.expect("set");
            }
            // What can't be done fails alone, whoever shares its transaction.
            store.increment("0-0", 1).await.expect_err("not a number");
        }
    });
    futures::future::join_all(writers).await;
    assert_eq!(store.increment("n", 0).await, Ok(512));
    assert_eq!(store.list_keys(None).await.expect("keys").keys.len(), 513);
}

#[tokio::test]
async fn swapping_compares_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let y = || Some(b"y".to_vec());
    assert_eq!(store.compare_and_swap("k", Some(b"x"), y()).await, Ok(false));
    assert_eq!(store.exists("k").await, Ok(false));
    assert_eq!(store.compare_and_swap("k", None, y()).await, Ok(true));
    assert_eq!(store.get("k").await, Ok(y()));
    assert_eq!(store.compare_and_swap("k", Some(b"y"), None).await, Ok(true));
    assert_eq!(store.exists("k").await, Ok(false));
}

#[tokio::test]
async fn sizes_are_bounded_before_anything_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let large = vec![
        ("a".to_owned(), vec![1]),
        ("b".to_owned(), vec![0; (1 << 20) + 1]),
    ];
    assert!(matches!(
        store.set_many(large).await,
        Err(KeyValueError::ValueTooLarge { .. })
    ));
    assert_eq!(store.exists("a").await, Ok(false));
    let long = "k".repeat(1025);
    assert!(matches!(
        store.increment(&long, 1).await,
        Err(KeyValueError::KeyTooLong { .. })
    ));
    assert_eq!(store.get(&long).await, Ok(None));
}

#[tokio::test]
async fn keys_come_in_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let pairs = (0..2500).map(|n| (format!("{n:04}"), vec![]));
    store.set_many(pairs.collect()).await.expect("set");
    let first = store.list_keys(None).await.expect("a page");
    store.delete("0999").await.expect("delete");
    let second = store.list_keys(first.cursor).await.expect("a page");
    assert_eq!(second.keys.first().map(String::as_str), Some("1000"));
    let third = store.list_keys(second.cursor).await.expect("a page");
    assert_eq!((third.keys.len(), third.cursor), (500, None));
    assert_eq!(store.list_keys(Some(77)).await, Ok(Keys::default()));
}

#[test]
fn a_second_writer_is_told_who_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data.redb");
    let _first = open(folder.path());
    let error = Persistent::open(&path, Sizes::default()).expect_err("a second writer");
    assert_eq!(
        error.to_string(),
        format!(
            "{} is open in another process, and a store has one writer: end that one, or give this service a volume of its own",
            path.display()
        )
    );
}

#[test]
fn a_file_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data.redb");
    let text = "something that somebody needs\n".repeat(1000);
    std::fs::write(&path, &text).expect("a file");
    let error = Persistent::open(&path, Sizes::default()).expect_err("no store");
    assert!(error.to_string().contains("can't be read as a store"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), text);
}
