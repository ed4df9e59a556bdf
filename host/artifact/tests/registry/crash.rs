//! A process that is killed in the middle of a pull.

use std::process::Stdio;
use std::time::Duration;

use shoal_artifact::Cache;

use crate::support::fake::{Answer, End, Fake, Image};
use crate::support::{TempCache, component, options, source};

#[tokio::test]
async fn what_a_killed_pull_left_is_cleared_by_the_next() {
    let image = Image::new("application/wasm", &component(&[6; 100_000]));
    let layer = image.layer.clone();
    let fake = Fake::start(move |asked| {
        if asked.path.contains("/blobs/") && asked.before == 0 {
            return Answer::ok(&image.layer[..50_000]).end(End::Silent);
        }
        image.honest(asked)
    })
    .await;
    let temp = TempCache::new();
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "crash::pulls_until_it_is_killed"])
        .env("SHOAL_TEST_REGISTRY", &fake.name)
        .env("SHOAL_TEST_CACHE", temp.cache.dir())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let half_written = || temp.files().iter().any(|name| name.starts_with("tmp/"));
    while !(half_written() && fake.count("blobs") == 1) {
        assert_eq!(child.try_wait().unwrap(), None, "it must hang");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let living = Cache::open(temp.cache.dir()).unwrap();
    assert_eq!(
        temp.leftovers().len(),
        2,
        "what a living process is writing, and its lock, stay"
    );
    child.kill().await.unwrap();
    assert_eq!(temp.leftovers().len(), 2);
    drop(living);

    let cache = Cache::open(temp.cache.dir()).unwrap();
    temp.assert_empty();
    let artifact = cache
        .fetch(&source(&format!("{}/x:1", fake.name)), &options(&fake.name), &())
        .await
        .unwrap();
    assert_eq!(std::fs::read(artifact.path).unwrap(), layer);
}

#[tokio::test]
#[ignore = "run, and killed, by what_a_killed_pull_left_is_cleared_by_the_next"]
async fn pulls_until_it_is_killed() {
    let registry = std::env::var("SHOAL_TEST_REGISTRY").unwrap();
    let cache = Cache::open(std::env::var("SHOAL_TEST_CACHE").unwrap()).unwrap();
    let mut options = options(&registry);
    options.transport.stall_timeout = Duration::from_secs(60);
    options.transport.total_timeout = Duration::from_secs(60);
    let fetched = cache
        .fetch(&source(&format!("{registry}/x:1")), &options, &())
        .await;
    assert!(fetched.is_err());
}
