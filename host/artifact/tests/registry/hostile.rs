//! Registries that lie, stall, refuse, break off or send too much: one readable error each, and nothing half-written
//! in the cache.

use std::time::Duration;

use serde_json::json;
use shoal_artifact::{ArtifactError, Digest, FetchOptions};

use crate::support::fake::{Answer, Asked, End, Fake, Image};
use crate::support::{TempCache, component, options, readable, source};

const WASM: &str = "application/wasm";

pub(crate) fn image() -> Image {
    Image::new(WASM, &component(&[9; 5000]))
}

fn is_manifest(asked: &Asked<'_>) -> bool {
    asked.path.contains("/manifests/")
}

pub(crate) fn is_blob(asked: &Asked<'_>) -> bool {
    asked.path.contains("/blobs/")
}

/// Pulls `x:1` from a fake; it must fail with a message that has `expected` in it, and leave nothing.
pub(crate) async fn fails_with(
    expected: &str,
    change: impl FnOnce(&mut FetchOptions),
    answer: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static,
) -> (Fake, ArtifactError) {
    let fake = Fake::start(answer).await;
    let temp = TempCache::new();
    let mut options = options(&fake.name);
    change(&mut options);
    let error = temp
        .cache
        .fetch(&source(&format!("{}/x:1", fake.name)), &options, &())
        .await
        .unwrap_err();
    let text = readable(&error);
    assert!(text.contains(expected), "{text:?} lacks {expected:?}");
    temp.assert_empty();
    (fake, error)
}

pub(crate) async fn fails(
    expected: &str,
    answer: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static,
) -> Fake {
    fails_with(expected, |_| (), answer).await.0
}

#[tokio::test]
async fn a_manifest_that_is_not_what_its_digest_says() {
    let honest = image();
    let lie = Digest::of(b"something else");
    let fake = fails("the bytes do not have the digest", move |asked| {
        if !is_manifest(asked) {
            return honest.honest(asked);
        }
        Answer::ok(honest.manifest.clone()).header("docker-content-digest", lie.as_str())
    })
    .await;
    assert_eq!(fake.count("manifests"), 1, "a lie is not asked for again");

    let honest = image();
    let fake = Fake::start(move |asked| honest.honest(asked)).await;
    let temp = TempCache::new();
    let pinned = format!("{}/x@{}", fake.name, Digest::of(b"another manifest"));
    let error = temp
        .cache
        .fetch(&source(&pinned), &options(&fake.name), &())
        .await
        .unwrap_err();
    assert!(readable(&error).contains("corrupted or exchanged"), "{error}");
    temp.assert_empty();
}

#[tokio::test]
async fn a_layer_that_is_not_what_its_digest_says() {
    let honest = image();
    let mut other = honest.layer.clone();
    other[100] ^= 1;
    let fake = fails("layer of 127.0.0.1", move |asked| match is_blob(asked) {
        true => Answer::ok(other.clone()),
        false => honest.honest(asked),
    })
    .await;
    assert_eq!(fake.count("blobs"), 1);
}

#[tokio::test]
async fn a_layer_of_another_size_than_announced() {
    let long = image();
    fails(
        "the registry sends something else than its manifest says",
        move |asked| match is_blob(asked) {
            true => Answer::ok([long.layer.as_slice(), b"more"].concat()),
            false => long.honest(asked),
        },
    )
    .await;
    let endless = image();
    fails(
        "the registry sends something else than its manifest says",
        move |asked| match is_blob(asked) {
            true => Answer::ok([7; 1000]).end(End::Never),
            false => endless.honest(asked),
        },
    )
    .await;
    let short = image();
    let fake = fails(
        "the download was cut off, try again later (gave up after 3 attempts)",
        move |asked| {
            if is_blob(asked) {
                Answer::ok(&short.layer[..1000])
            } else {
                short.honest(asked)
            }
        },
    )
    .await;
    assert_eq!(fake.count("blobs"), 3);
}

#[tokio::test]
async fn sizes_beyond_the_limits() {
    let large = Image::sized(WASM, b"x", 1 << 40);
    let fake = fails("larger than the limit of 1048576 bytes", move |asked| {
        large.honest(asked)
    })
    .await;
    assert_eq!(fake.count("blobs"), 0, "what is too large is not asked for");
    fails("is larger than the limit of 4194304 bytes", |_| {
        Answer::ok([b' '; 4096]).end(End::Never)
    })
    .await;
    fails("is larger than the limit of 4194304 bytes", |_| {
        Answer::ok(vec![b' '; 5 << 20])
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_breaks() {
    let always = image();
    let fake = fails("the connection broke", move |asked| {
        if !is_blob(asked) {
            return always.honest(asked);
        }
        let length = always.layer.len().to_string();
        Answer::ok(&always.layer[..1000])
            .header("content-length", length)
            .end(End::Broken)
    })
    .await;
    assert_eq!(fake.count("blobs"), 3);

    // Once, and the pull starts again cleanly.
    let once = image();
    let expected = once.layer_digest.clone();
    let fake = Fake::start(move |asked| {
        if asked.before > 0 {
            return once.honest(asked);
        }
        let whole = if is_blob(asked) {
            &once.layer
        } else {
            &once.manifest
        };
        Answer::ok(&whole[..whole.len() / 2])
            .header("content-length", whole.len().to_string())
            .end(End::Broken)
    })
    .await;
    let temp = TempCache::new();
    let source = source(&format!("{}/x:1", fake.name));
    let artifact = temp
        .cache
        .fetch(&source, &options(&fake.name), &())
        .await
        .unwrap();
    assert_eq!(artifact.digest, expected);
    assert_eq!((fake.count("manifests"), fake.count("blobs")), (2, 2));
}

#[tokio::test]
async fn silence() {
    let what = "sent nothing for 300ms";
    fails(what, |_| Answer::ok([]).end(End::Silent)).await;
    let manifest = image();
    fails(what, move |asked| match is_manifest(asked) {
        true => Answer::ok(&manifest.manifest[..10]).end(End::Silent),
        false => manifest.honest(asked),
    })
    .await;
    let blob = image();
    let fake = fails(what, move |asked| match is_blob(asked) {
        true => Answer::ok(&blob.layer[..1000]).end(End::Silent),
        false => blob.honest(asked),
    })
    .await;
    assert_eq!(fake.count("blobs"), 3);
}

#[tokio::test]
async fn a_drip_that_never_stalls_ends_with_the_total_timeout() {
    let blob = image();
    let short = |options: &mut FetchOptions| options.transport.total_timeout = Duration::from_millis(400);
    fails_with("not done after 400ms", short, move |asked| match is_blob(asked) {
        true => Answer::ok([1]).end(End::Drip),
        false => blob.honest(asked),
    })
    .await;
}

#[tokio::test]
async fn refusals() {
    let fake = fails("wants a login for image", |_| Answer::status(401)).await;
    assert_eq!(fake.count(""), 1, "there is nothing to try a second time with");
    fails(
        "no credentials were to be used; run `docker login 127.0.0.1",
        |_| Answer::status(401).header("www-authenticate", "Basic realm=\"x\""),
    )
    .await;
    let said = json!({"errors": [{"code": "DENIED", "message": "not\u{7} for\nyou"}]}).to_string();
    let denied = move |_: &Asked<'_>| Answer::status(403).with_body(&said);
    fails("denies access to image 127.0.0.1", denied.clone()).await;
    fails("(403: DENIED, not  for you)", denied).await;
    let fake = fails("has no image 127.0.0.1", |_| Answer::status(404)).await;
    assert_eq!(fake.count(""), 1);
    let missing = image();
    fails("has no layer of", move |asked| match is_blob(asked) {
        true => Answer::status(404),
        false => missing.honest(asked),
    })
    .await;
    fails("answered 418", |_| Answer::status(418)).await;
    fails("answered 204", |_| Answer::status(204)).await;
}

#[tokio::test]
async fn trouble_that_passes_is_waited_for() {
    let fake = fails(
        "limits how often it may be asked (429); log in for a higher limit or wait (gave up after 3",
        |_| {
            // An hour, which is cut to the 50 ms that the test allows.
            Answer::status(429).header("retry-after", "3600")
        },
    )
    .await;
    assert_eq!(fake.count("manifests"), 3);
    for status in [500, 502, 503, 504] {
        let fake = fails(
            &format!("answered {status} (gave up after 3 attempts)"),
            move |_| Answer::status(status).with_body("<html>endless").end(End::Never),
        )
        .await;
        assert_eq!(fake.count("manifests"), 3);
    }
    let twice = image();
    let fake = Fake::start(move |asked| match asked.before {
        0 => Answer::status(429).header("retry-after", "0"),
        1 => Answer::status(503),
        _ => twice.honest(asked),
    })
    .await;
    let temp = TempCache::new();
    temp.cache
        .fetch(&source(&format!("{}/x:1", fake.name)), &options(&fake.name), &())
        .await
        .unwrap();
    assert_eq!((fake.count("manifests"), fake.count("blobs")), (3, 3));
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let image = image();
    let fake = Fake::start(move |asked| match asked.before {
        0 if is_manifest(asked) => Answer::status(429).header("retry-after", "1"),
        _ => image.honest(asked),
    })
    .await;
    let temp = TempCache::new();
    let mut options = options(&fake.name);
    options.transport.max_backoff = Duration::from_secs(5);
    let begin = std::time::Instant::now();
    temp.cache
        .fetch(&source(&format!("{}/x:1", fake.name)), &options, &())
        .await
        .unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn manifests_that_are_none() {
    fails("the manifest is malformed", |_| {
        Answer::ok("<html>Welcome to the proxy</html>")
    })
    .await;
    fails("schemaVersion 1 is not supported", |_| {
        Answer::ok(r#"{"schemaVersion": 1, "fsLayers": []}"#)
    })
    .await;
    let nested = json!({"schemaVersion": 2, "manifests": [{"mediaType": "x", "size": 1,
        "digest": format!("sha256:{}", "0".repeat(64))}]});
    fails("do not have the digest sha256:000", move |_| {
        Answer::ok(nested.to_string())
    })
    .await;
    let path = json!({"schemaVersion": 2, "config": {"mediaType": "x", "digest": "x", "size": 1},
        "layers": [{"mediaType": WASM, "digest": "sha256:../../../etc/passwd", "size": 1}]});
    fails("is not a digest", move |_| Answer::ok(path.to_string())).await;
}

#[tokio::test]
async fn artifacts_that_are_mislabelled_corrupted_or_cut_off() {
    let tar = "application/vnd.oci.image.layer.v1.tar+gzip";
    let whole = component(b"whole");
    let cut = &whole[..whole.len() - 2];
    let mut corrupted = whole.clone();
    corrupted.truncate(8);
    corrupted.extend_from_slice(b"\x01\xff\xff\xff\xff\xff\xff");
    for (media_type, layer, expected) in [
        (
            tar,
            whole.as_slice(),
            "tar+gzip but is a WebAssembly component; push it again",
        ),
        (
            WASM,
            b"\x1f\x8b\x08\0gz",
            "labelled application/wasm but is a gzip stream",
        ),
        (
            WASM,
            b"\x7fELF\x02",
            "a precompiled file is never accepted from outside",
        ),
        (WASM, b"#!/bin/sh", "labelled application/wasm but is neither"),
        (WASM, cut, "the application/wasm layer is cut off"),
        (
            WASM,
            &corrupted,
            "is corrupted: the section at byte 8 has an impossible length",
        ),
        (tar, b"\x1f\x8b\x08\0gz", "can't be unpacked"),
        (
            "application/zip",
            b"PK",
            "no layer holds WebAssembly (layers: application/zip)",
        ),
    ] {
        let image = Image::new(media_type, layer);
        fails(expected, move |asked| image.honest(asked)).await;
    }
}
