//! A cache has a bound: what goes when it is reached, and what stays.

use std::collections::HashSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use shoal_artifact::{Artifact, ArtifactError, Cache, CacheLimits, CachedKind, Compiled, Prune, Source};
use shoal_compile::{CompileLimits, Compiler};

use crate::support::{component, options, readable};

const MIB: u64 = 1 << 20;

/// A cache of this size, a compiler that is counted, and components that differ.
struct Bounded {
    dir: tempfile::TempDir,
    cache: Cache,
    compiler: Compiler,
}

impl Bounded {
    fn new(size: u64, native: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cache = open(dir.path(), size);
        let compiler = compiler(dir.path(), "one", native);
        Self { dir, cache, compiler }
    }

    /// The component with this number, of so many bytes.
    async fn fetch(&self, cache: &Cache, number: usize, length: usize) -> Result<Artifact, ArtifactError> {
        let mut content = number.to_le_bytes().to_vec();
        content.resize(length, 7);
        let file = self.dir.path().join(format!("{number}.wasm"));
        fs::write(&file, component(&content)).unwrap();
        let fetched = cache
            .fetch(&Source::File(file.clone()), &options("unused"), &())
            .await;
        fs::remove_file(file).unwrap();
        fetched
    }

    async fn compiled(&self, number: usize) -> Result<(Artifact, Compiled), ArtifactError> {
        let artifact = self.fetch(&self.cache, number, 1000).await?;
        let compiled = self.cache.compiled(&artifact, &self.compiler, &()).await?;
        Ok((artifact, compiled))
    }

    fn starts(&self) -> usize {
        let starts = fs::read_to_string(self.dir.path().join("starts"));
        starts.unwrap_or_default().lines().count()
    }

    fn bytes(&self) -> u64 {
        self.cache.usage().unwrap().bytes
    }
}

fn open(dir: &Path, size: u64) -> Cache {
    let limits = CacheLimits {
        size,
        keep_stale: Duration::ZERO,
    };
    Cache::open_within(dir.join("cache"), limits).unwrap()
}

/// Writes down each start and answers with as many bytes; or starts the real one, where `SHOAL_TEST_COMPILER` names it.
fn compiler(dir: &Path, fingerprint: &str, native: usize) -> Compiler {
    let description = r#"{"done":{"kind":"component","variant":"plain","imports":[],"exports":[]}}"#;
    let answer = |json: &str| format!(r"printf '\{:03o}\0\0\0%s' '{json}'", json.len());
    let starts = dir.join("starts");
    let log = format!("[ $1 = compile ] && echo x >> {}", starts.display());
    let script = match std::env::var("SHOAL_TEST_COMPILER") {
        Ok(real) => format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{log}\nexec {real} \"$@\"\n"),
        Err(_) => format!(
            "#!/bin/sh\nPATH=/usr/bin:/bin\n{log}\ncase $1 in\nfingerprint) {} ;;\n\
             compile) {}; head -c {native} /dev/zero ;;\nesac\n",
            answer(&format!(r#"{{"fingerprint":"{fingerprint}"}}"#)),
            answer(description),
        ),
    };
    let path = dir.join(format!("compile-{fingerprint}"));
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    Compiler::new(path, CompileLimits::default()).unwrap()
}

/// Looks at all files of a cache, again and again, until it is stopped; keeps the largest sum.
struct Sampler {
    stop: Arc<AtomicBool>,
    largest: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<usize>,
}

impl Sampler {
    fn start(cache: PathBuf) -> Self {
        let (stop, largest) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, most) = (Arc::clone(&stop), Arc::clone(&largest));
        let thread = std::thread::spawn(move || {
            let mut samples = 0;
            while !stopped.load(Ordering::Relaxed) {
                // With the lock, so that what is removed and what takes its place are not both seen.
                let size = File::open(cache.join("size")).unwrap();
                size.lock().unwrap();
                let mut seen = HashSet::new();
                most.fetch_max(sum(&cache, &mut seen), Ordering::Relaxed);
                drop(size);
                samples += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            samples
        });
        Self {
            stop,
            largest,
            thread,
        }
    }

    fn finish(self) -> (u64, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let samples = self.thread.join().unwrap();
        (self.largest.load(Ordering::Relaxed), samples)
    }
}

/// Bytes of all files below a folder, each once however many links it has.
fn sum(dir: &Path, seen: &mut HashSet<u64>) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            bytes += sum(&entry.path(), seen);
        } else if entry.file_name() != ".reserved" && seen.insert(metadata.ino()) {
            bytes += metadata.len();
        }
    }
    bytes
}

/// `count` components pass through a cache of this size, four at a time, half of them as another process would; ten of them run.
async fn many(count: usize, size: u64, length: usize, native: usize) {
    let bounded = Bounded::new(size, native);
    let other = open(bounded.dir.path(), size);
    let sampler = Sampler::start(bounded.cache.dir().to_owned());
    let mut running = Vec::new();
    for number in 0..10 {
        let artifact = bounded.fetch(&bounded.cache, number, length).await.unwrap();
        let compiled = bounded
            .cache
            .compiled(&artifact, &bounded.compiler, &())
            .await
            .unwrap();
        running.push((artifact, compiled));
    }
    let passing = futures::stream::iter(10..count).map(|number| {
        let (bounded, cache) = (&bounded, if number % 2 == 0 { &bounded.cache } else { &other });
        async move {
            let artifact = bounded.fetch(cache, number, length).await.unwrap();
            let compiled = cache.compiled(&artifact, &bounded.compiler, &()).await.unwrap();
            assert!(compiled.path.exists() && artifact.path.exists());
        }
    });
    passing.buffer_unordered(4).collect::<Vec<()>>().await;
    assert_eq!(bounded.starts(), count, "each was compiled once");
    for (artifact, compiled) in &running {
        assert!(artifact.path.exists() && compiled.path.exists());
        other.compiled(artifact, &bounded.compiler, &()).await.unwrap();
    }
    assert_eq!(bounded.starts(), count, "those that run were not compiled again");
    let (largest, samples) = sampler.finish();
    let usage = bounded.cache.usage().unwrap();
    println!(
        "{count} components, bound {size}: at most {largest} bytes in {samples} samples; {} at the end; {} evicted here",
        usage.bytes, usage.evicted
    );
    assert!(largest <= size && usage.bytes <= size, "{largest} of {size}");
    assert!(
        largest > size / 2,
        "the bound was never near: {largest} of {size}"
    );
    // What is counted is what is there.
    bounded.cache.prune(Prune::To(size)).unwrap();
    let counted = bounded.bytes();
    drop((running, other));
    let again = open(bounded.dir.path(), size);
    assert_eq!(again.usage().unwrap().bytes, counted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_stays_below_its_bound_and_keeps_what_runs() {
    many(60, 2 * MIB, 20_000, 60_000).await;
}

/// The issue's own numbers. With the real compiler: `SHOAL_TEST_COMPILER=…/shoal-compile cargo test -p shoal-artifact --test registry
/// a_thousand -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes half a gigabyte"]
async fn a_thousand_components_pass_through_200_mib() {
    many(1000, 200 * MIB, 72_000, 400_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_use_is_never_removed_and_a_full_cache_says_so() {
    let bounded = Bounded::new(MIB, 200_000);
    let mut held = Vec::new();
    let error = loop {
        match bounded.compiled(held.len()).await {
            Ok(compiled) => held.push(compiled),
            Err(error) => break error,
        }
    };
    assert!(held.len() >= 3, "{}", held.len());
    assert!(matches!(error, ArtifactError::CacheFull { .. }), "{error}");
    assert!(readable(&error).contains("--cache-size"), "{error}");
    for (artifact, compiled) in &held {
        assert!(artifact.path.exists() && compiled.path.exists());
    }
    // Another one that shares the folder has no more room, and takes nothing away.
    let other = open(bounded.dir.path(), MIB);
    let unused = other.prune(Prune::All).unwrap();
    assert!(
        unused.count <= 1,
        "the artifact that was not compiled: {unused:?}"
    );
    // A worker's link is as good.
    let (_, worked) = held.remove(0);
    let link = bounded.dir.path().join("worker");
    fs::hard_link(&worked.path, &link).unwrap();
    drop(worked.pin);
    assert!(matches!(
        bounded.compiled(90).await,
        Err(ArtifactError::CacheFull { .. })
    ));
    fs::remove_file(link).unwrap();
    bounded.compiled(91).await.unwrap();
    assert!(!worked.path.exists(), "it made room");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_recently_used_goes_first() {
    let bounded = Bounded::new(MIB, 200_000);
    let mut paths = Vec::new();
    for number in 0..3 {
        paths.push(bounded.compiled(number).await.unwrap().1.path);
        // Times of files are as coarse as the kernel's ticks.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bounded.compiled(0).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    for number in 3..6 {
        bounded.compiled(number).await.unwrap();
        if !paths[1].exists() {
            break;
        }
    }
    assert!(
        paths[0].exists() && !paths[1].exists(),
        "the first was used again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_another_engine_go_unless_they_are_in_use() {
    let bounded = Bounded::new(10 * MIB, 1000);
    let (_, kept) = bounded.compiled(0).await.unwrap();
    let (artifact, Compiled { path: gone, pin, .. }) = bounded.compiled(1).await.unwrap();
    drop(pin);
    let two = compiler(bounded.dir.path(), "two", 1000);
    let new = bounded.cache.compiled(&artifact, &two, &()).await.unwrap();
    assert!(kept.path.exists() && !gone.exists() && new.path.exists());
    let old = kept.path.clone();
    drop(kept);
    bounded.cache.remove_stale().unwrap();
    assert!(!old.exists() && !old.parent().unwrap().exists() && new.path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_of_an_artifact_goes_with_it() {
    let bounded = Bounded::new(10 * MIB, 1000);
    let (artifact, compiled) = bounded.compiled(0).await.unwrap();
    let (_, other) = bounded.compiled(1).await.unwrap();
    let (digest, paths) = (
        artifact.digest.clone(),
        [artifact.path.clone(), compiled.path.clone()],
    );
    bounded.cache.note("image one", &artifact).await.unwrap();
    bounded.cache.note("image two", &artifact).await.unwrap();
    let forget = |key| bounded.cache.forget(&digest, key).unwrap().count;
    assert_eq!(
        forget("image one"),
        1,
        "only the record: another leads to it, too"
    );
    assert_eq!(forget("image two"), 0, "it is in use");
    drop((artifact, compiled));
    assert_eq!(forget("image two"), 3, "artifact, code, record");
    assert!(paths.iter().all(|path| !path.exists()) && other.path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_what_is_there_and_remove_it() {
    let bounded = Bounded::new(10 * MIB, 1000);
    let (_, held) = bounded.compiled(0).await.unwrap();
    bounded.compiled(1).await.unwrap();
    let listed = bounded.cache.list().unwrap();
    let kinds: Vec<_> = listed
        .iter()
        .filter(|it| it.kind == CachedKind::Compiled)
        .collect();
    assert_eq!((listed.len(), kinds.len()), (4, 2));
    assert_eq!(listed.iter().map(|it| it.size).sum::<u64>(), bounded.bytes());
    assert_eq!(listed.iter().filter(|it| it.in_use).count(), 1);
    let day = Prune::Unused(Duration::from_secs(86_400));
    assert_eq!(bounded.cache.prune(day).unwrap().count, 0);
    assert_eq!(bounded.cache.prune(Prune::To(listed[3].size)).unwrap().count, 3);
    assert!(held.path.exists());
    assert_eq!(bounded.cache.list().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_died_while_changing_something_is_counted_out() {
    let bounded = Bounded::new(MIB, 1000);
    bounded.compiled(0).await.unwrap();
    let bytes = bounded.bytes();
    fs::write(bounded.cache.dir().join("size"), "changing").unwrap();
    assert_eq!(bounded.bytes(), bytes);
    // What somebody reserved who is gone, and what a later version may write.
    let dead = bounded.cache.dir().join("tmp/1-0-0");
    fs::create_dir(&dead).unwrap();
    File::create(dead.join(".reserved"))
        .unwrap()
        .set_len(MIB)
        .unwrap();
    fs::write(bounded.cache.dir().join("size"), "2 0 something").unwrap();
    assert_eq!(bounded.bytes(), bytes);
}
