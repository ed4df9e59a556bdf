//! Registries that lead elsewhere or aren't there, and pushes that go wrong.

use shoal_artifact::{Digest, FetchOptions, PlainHttp, PushOptions, Source, push};

use crate::hostile::{fails, fails_with, image, is_blob};
use crate::support::fake::{Answer, Asked, End, Fake};
use crate::support::{TempCache, component, options, readable, source, transport};

#[tokio::test]
async fn redirects_lead_neither_in_circles_nor_out_of_tls() {
    fails("too many redirects", |asked| {
        Answer::status(307).header("location", format!("{}?{}", asked.path, asked.before))
    })
    .await;
    let cdn = image();
    let layer = cdn.layer.clone();
    let storage = Fake::start(move |asked| {
        // Credentials are for the registry alone.
        if asked.authorization.is_some() {
            Answer::status(400)
        } else {
            Answer::ok(layer.clone())
        }
    })
    .await;
    let location = format!("http://{}/signed?secret=1", storage.name);
    let registry = move |asked: &Asked<'_>| match is_blob(asked) {
        true => Answer::status(307).header("location", location.clone()),
        false => cdn.honest(asked),
    };
    let (_, error) = fails_with("which would be spoken to without TLS", |_| (), registry.clone()).await;
    assert!(!error.to_string().contains("secret"), "{error}");
    let fake = Fake::start(registry).await;
    let mut options = options(&fake.name);
    options.transport.plain_http = PlainHttp::Hosts(vec![fake.name.clone(), storage.name.clone()]);
    TempCache::new()
        .cache
        .fetch(&source(&format!("{}/x:1", fake.name)), &options, &())
        .await
        .unwrap();
}

#[tokio::test]
async fn no_registry_or_none_with_tls() {
    let plain = |options: &mut FetchOptions| options.transport.plain_http = PlainHttp::Never;
    let honest = image();
    let (fake, _) = fails_with("if that is meant, allow plain HTTP for it", plain, move |a| {
        honest.honest(a)
    })
    .await;
    assert_eq!(fake.count(""), 0, "nothing went out in the clear");
    let name = fake.name.clone();
    drop(fake);
    tokio::task::yield_now().await;
    let temp = TempCache::new();
    let error = temp
        .cache
        .fetch(&source(&format!("{name}/x:1")), &options(&name), &())
        .await
        .unwrap_err();
    assert!(
        readable(&error).contains(&format!("can't connect to {name}: ")),
        "{error}"
    );
    temp.assert_empty();
}

#[tokio::test]
async fn pushes_that_go_wrong() {
    let temp = TempCache::new();
    let file = temp.dir.path().join("x.wasm");
    std::fs::write(&file, component(&[1; 500_000])).unwrap();
    let expect = async |expected: &str, path: &std::path::Path, answer: fn(&Asked<'_>) -> Answer| {
        let fake = Fake::start(answer).await;
        let push_options = PushOptions {
            transport: transport(&fake.name),
            ..PushOptions::default()
        };
        let Source::Reference(reference) = source(&format!("{}/x:1", fake.name)) else {
            panic!("no reference")
        };
        let error = push(path, &reference, &push_options, &()).await.unwrap_err();
        assert!(readable(&error).contains(expected), "{error} lacks {expected}");
        fake
    };
    expect("wants a login for the push of", &file, |_| Answer::status(401)).await;
    expect("denies access to the push of", &file, |asked| {
        match asked.method {
            "GET" => Answer::ok("{}"),
            "HEAD" => Answer::status(404),
            _ => Answer::status(403),
        }
    })
    .await;
    let fake = expect(
        "answered 500 (gave up after 3 attempts)",
        &file,
        |asked| match asked.method {
            "GET" => Answer::ok("{}"),
            _ => Answer::status(500),
        },
    )
    .await;
    assert_eq!(fake.count("/blobs/"), 3);
    expect("sent nothing for 300ms", &file, |asked| match asked.method {
        "GET" => Answer::ok("{}"),
        "HEAD" => Answer::status(404),
        _ => Answer::ok([]).end(End::Silent),
    })
    .await;
    expect("can't push", &file, |asked| match asked.method {
        "GET" => Answer::ok("{}"),
        "HEAD" => Answer::status(404),
        _ => Answer::status(202),
    })
    .await;
    let not_wasm = temp.dir.path().join("y.wasm");
    std::fs::write(&not_wasm, b"hello").unwrap();
    let fake = expect("y.wasm is not WebAssembly", &not_wasm, |_| Answer::ok("{}")).await;
    assert_eq!(fake.count(""), 0);
    let Source::Reference(pinned) = source(&format!("r/x@{}", Digest::of(b""))) else {
        panic!("no reference")
    };
    let error = push(&file, &pinned, &PushOptions::default(), &())
        .await
        .unwrap_err();
    assert!(readable(&error).contains("push to a tag"), "{error}");
}
