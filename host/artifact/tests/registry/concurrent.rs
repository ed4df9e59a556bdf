//! Several at once: tasks, caches that share a folder as processes do, pulls and compilations that are given up.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use shoal_artifact::{ArtifactError, Cache, Digest, Source, Step};
use shoal_compile::{CompileLimits, Compiler};

use crate::support::fake::{Answer, End, Fake, Image};
use crate::support::{Steps, TempCache, component, options, readable, source};

async fn slow_registry(image: Image) -> Fake {
    Fake::start(move |asked| {
        // Long enough for all to be there before the first is done.
        std::thread::sleep(Duration::from_millis(50));
        image.honest(asked)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_fetches_of_one_reference_are_one_pull() {
    let fake = slow_registry(Image::new("application/wasm", &component(&[3; 100_000]))).await;
    let temp = TempCache::new();
    let waits = Arc::new(Steps::default());
    let tasks = (0..8).map(|_| {
        let (cache, name, waits) = (temp.cache.clone(), fake.name.clone(), waits.clone());
        tokio::spawn(async move {
            cache
                .fetch(&source(&format!("{name}/x:1")), &options(&name), &*waits)
                .await
        })
    });
    let artifacts: Vec<_> = join_all(tasks)
        .await
        .into_iter()
        .map(|done| done.unwrap().unwrap())
        .collect();
    assert!(artifacts.iter().all(|artifact| *artifact == artifacts[0]));
    assert_eq!((fake.count("manifests"), fake.count("blobs")), (1, 1));
    let waited = waits
        .take()
        .iter()
        .filter(|step| **step == format!("{:?} done", Step::Waiting))
        .count();
    assert_eq!(waited, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn caches_that_share_a_folder_download_once() {
    let fake = slow_registry(Image::new("application/wasm", &component(&[4; 100_000]))).await;
    let temp = TempCache::new();
    let pinned = {
        let other = TempCache::new();
        let artifact = other
            .cache
            .fetch(&source(&format!("{}/x:1", fake.name)), &options(&fake.name), &())
            .await;
        artifact.unwrap().reference_resolved.unwrap()
    };
    let tasks = (0..4).map(|index| {
        // A cache of its own has locks of its own, but for the files: like another process.
        let cache = Cache::open(temp.cache.dir()).unwrap();
        let (name, pinned) = (fake.name.clone(), pinned.clone());
        let text = if index % 2 == 0 {
            pinned
        } else {
            format!("{name}/x:1")
        };
        tokio::spawn(async move { cache.fetch(&source(&text), &options(&name), &()).await })
    });
    for done in join_all(tasks).await {
        done.unwrap().unwrap();
    }
    // One for the other cache; by tag and by digest are two keys, so at most one each here.
    assert!((2..=3).contains(&fake.count("blobs")), "{}", fake.count("blobs"));
    assert_eq!(temp.leftovers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_share_the_failure_too() {
    let fake = Fake::start(|_| {
        std::thread::sleep(Duration::from_millis(50));
        Answer::status(404)
    })
    .await;
    let temp = TempCache::new();
    let tasks = (0..8).map(|_| {
        let (cache, name) = (temp.cache.clone(), fake.name.clone());
        tokio::spawn(async move {
            cache
                .fetch(&source(&format!("{name}/x:1")), &options(&name), &())
                .await
        })
    });
    for done in join_all(tasks).await {
        let error = done.unwrap().unwrap_err();
        assert!(readable(&error).contains("has no image"), "{error}");
        assert!(matches!(error.root(), ArtifactError::NotFound { .. }));
    }
    assert_eq!(fake.count("manifests"), 1);
    temp.assert_empty();
}

#[tokio::test]
async fn a_pull_that_is_given_up_leaves_nothing_and_can_be_repeated() {
    let image = Image::new("application/wasm", &component(&[5; 100_000]));
    let fake = Fake::start(move |asked| {
        if asked.path.contains("/blobs/") && asked.before == 0 {
            return Answer::ok(&image.layer[..50_000]).end(End::Silent);
        }
        image.honest(asked)
    })
    .await;
    let temp = TempCache::new();
    let (source, mut options) = (source(&format!("{}/x:1", fake.name)), options(&fake.name));
    options.transport.stall_timeout = Duration::from_secs(20);
    let steps = Steps::default();
    {
        let fetch = temp.cache.fetch(&source, &options, &steps);
        tokio::pin!(fetch);
        loop {
            let step = tokio::time::timeout(Duration::from_millis(5), &mut fetch).await;
            assert!(step.is_err(), "it must hang");
            if steps.0.lock().unwrap().iter().any(|step| step.starts_with('+')) {
                break;
            }
        }
        assert!(
            temp.files().iter().any(|name| name.starts_with("tmp/")),
            "bytes are on their way"
        );
    }
    temp.assert_empty();
    assert_eq!(
        steps.take().last().unwrap(),
        "Pulling done",
        "no bar is left behind"
    );
    temp.cache.fetch(&source, &options, &()).await.unwrap();
    assert_eq!(fake.count("blobs"), 2);
}

#[tokio::test]
async fn a_blob_that_went_bad_on_disk_is_fetched_again() {
    let image = Image::new("application/wasm", &component(b"disk"));
    let layer = image.layer.clone();
    let fake = Fake::start(move |asked| image.honest(asked)).await;
    let temp = TempCache::new();
    let (source, options) = (source(&format!("{}/x:1", fake.name)), options(&fake.name));
    let artifact = temp.cache.fetch(&source, &options, &()).await.unwrap();
    std::fs::write(&artifact.path, b"\0asm").unwrap();
    let again = temp.cache.fetch(&source, &options, &()).await.unwrap();
    assert_eq!((std::fs::read(&again.path).unwrap(), again), (layer, artifact));
    assert_eq!(fake.count("blobs"), 2);
    temp.cache.fetch(&source, &options, &()).await.unwrap();
    assert_eq!(fake.count("blobs"), 2, "what is whole is not fetched again");
}

/// A compiler that speaks `shoal-compile`'s protocol, writes down each start, and fails for what contains `refuse`.
/// The real one is tried end to end; here it is about who compiles when.
fn compiler(dir: &Path, fingerprint: &str) -> Compiler {
    let description = r#"{"done":{"kind":"component","variant":"plain","imports":[],"exports":[]}}"#;
    let refusal = r#"{"invalid":"no"}"#;
    let answer = |json: &str| format!(r"printf '\{:03o}\0\0\0%s' '{json}'", json.len());
    let script = format!(
        "#!/bin/sh\nPATH=/usr/bin:/bin\ncase $1 in\n\
         fingerprint) {} ;;\n\
         compile) echo x >> {}/starts; sleep 0.2\n\
         if grep -q refuse; then {}; else {}; printf native; fi ;;\nesac\n",
        answer(&format!(r#"{{"fingerprint":"{fingerprint}"}}"#)),
        dir.display(),
        answer(refusal),
        answer(description),
    );
    let path = dir.join(format!("compile-{fingerprint}"));
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Compiler::new(path, CompileLimits::default()).unwrap()
}

fn starts(dir: &Path) -> usize {
    std::fs::read_to_string(dir.join("starts"))
        .unwrap_or_default()
        .lines()
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_is_compiled_once_per_engine() {
    let temp = TempCache::new();
    let dir = temp.dir.path().to_owned();
    let file = dir.join("x.wasm");
    std::fs::write(&file, component(b"compile")).unwrap();
    let artifact = temp
        .cache
        .fetch(&Source::File(file), &options("unused"), &())
        .await
        .unwrap();
    let one = compiler(&dir, "one");
    let tasks = (0..8).map(|index| {
        // Half of them as if in another process.
        let cache = if index % 2 == 0 {
            temp.cache.clone()
        } else {
            Cache::open(temp.cache.dir()).unwrap()
        };
        let (artifact, one) = (artifact.clone(), one.clone());
        tokio::spawn(async move { cache.compiled(&artifact, &one, &()).await })
    });
    for done in join_all(tasks).await {
        let compiled = done.unwrap().unwrap();
        assert_eq!(std::fs::read(&compiled.path).unwrap(), b"native");
        assert_eq!(
            compiled.path.metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(compiled.digest, artifact.digest);
    }
    assert_eq!(starts(&dir), 1);
    let two = temp
        .cache
        .compiled(&artifact, &compiler(&dir, "two"), &())
        .await
        .unwrap();
    assert!(
        two.path.display().to_string().contains("/compiled/two/"),
        "{:?}",
        two.path
    );
    assert_eq!(starts(&dir), 2, "another engine, another file");

    // What is not whole, or could be someone else's, is not used.
    std::fs::write(&two.path, b"nat").unwrap();
    temp.cache
        .compiled(&artifact, &compiler(&dir, "two"), &())
        .await
        .unwrap();
    assert_eq!(
        (starts(&dir), std::fs::read(&two.path).unwrap()),
        (3, b"native".to_vec())
    );
    std::fs::write(two.path.with_extension("json"), b"{").unwrap();
    temp.cache
        .compiled(&artifact, &compiler(&dir, "two"), &())
        .await
        .unwrap();
    assert_eq!(starts(&dir), 4);
    std::fs::set_permissions(&two.path, std::fs::Permissions::from_mode(0o622)).unwrap();
    let error = temp
        .cache
        .compiled(&artifact, &compiler(&dir, "two"), &())
        .await
        .unwrap_err();
    assert!(
        readable(&error).contains("others may write to it (mode 622)"),
        "{error}"
    );
    assert_eq!(temp.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_refused_or_abandoned_compilation_leaves_nothing() {
    let temp = TempCache::new();
    let dir = temp.dir.path().to_owned();
    let file = dir.join("x.wasm");
    std::fs::write(&file, component(b"refuse")).unwrap();
    let artifact = temp
        .cache
        .fetch(&Source::File(file), &options("unused"), &())
        .await
        .unwrap();
    let before = temp.files();
    assert_eq!(
        before,
        [format!(
            "blobs/sha256/{}",
            Digest::of(&component(b"refuse")).hex()
        )]
    );
    let compiler = compiler(&dir, "f");
    let error = temp.cache.compiled(&artifact, &compiler, &()).await.unwrap_err();
    assert!(
        readable(&error).contains("not a component that can be run: no"),
        "{error}"
    );
    assert_eq!(temp.files(), before);
    let abandoned = tokio::time::timeout(
        Duration::from_millis(100),
        temp.cache.compiled(&artifact, &compiler, &()),
    )
    .await;
    assert!(abandoned.is_err());
    assert_eq!(temp.files(), before);
}
