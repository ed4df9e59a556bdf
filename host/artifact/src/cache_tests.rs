//! Who may own the cache, and what becomes of bytes that went bad in it.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn put(cache: &Cache, bytes: &[u8]) -> Digest {
    let digest = Digest::of(bytes);
    let staging = cache.staging().unwrap();
    fs::write(staging.path("x"), bytes).unwrap();
    chmod(&staging.path("x"), 0o600);
    staging.install("x", &cache.blob(&digest)).unwrap();
    digest
}

#[test]
fn a_new_cache_is_ours_alone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("deep/cache");
    let cache = Cache::open(&root).unwrap();
    assert_eq!(cache.dir(), root);
    assert_eq!(fs::metadata(&root).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(root.join("compiled")).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn a_folder_that_others_may_write_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (folder, mode) in [(".", 0o770), (".", 0o702), ("compiled", 0o777)] {
        let path = dir.path().join("cache").join(folder);
        Cache::open(dir.path().join("cache")).unwrap();
        chmod(&path, mode);
        let error = Cache::open(dir.path().join("cache")).unwrap_err();
        assert!(matches!(error, ArtifactError::UnsafeCache { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains(&format!("others may write to it (mode {mode:o})")),
            "{error}"
        );
        chmod(&path, 0o700);
    }
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(dir.path().join("cache"), Some(12345), None).unwrap();
        let error = Cache::open(dir.path().join("cache")).unwrap_err().to_string();
        assert!(
            error.contains("belongs to uid 12345, and we are uid 0"),
            "{error}"
        );
    }
}

#[test]
fn files_that_others_may_have_made_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path().join("cache")).unwrap();
    let digest = put(&cache, b"abc");
    assert_eq!(cache.verified(&digest).unwrap(), Some(3));
    chmod(&cache.blob(&digest), 0o666);
    assert!(matches!(
        cache.verified(&digest),
        Err(ArtifactError::UnsafeCache { .. })
    ));
    fs::rename(cache.blob(&digest), dir.path().join("elsewhere")).unwrap();
    symlink(dir.path().join("elsewhere"), cache.blob(&digest)).unwrap();
    let error = cache.verified(&digest).unwrap_err().to_string();
    assert!(error.contains("symbolic link"), "{error}");
    fs::remove_file(cache.blob(&digest)).unwrap();
    fs::create_dir(cache.blob(&digest)).unwrap();
    let error = cache.verified(&digest).unwrap_err().to_string();
    assert!(error.contains("not a regular file"), "{error}");
}

#[test]
fn bytes_that_went_bad_are_thrown_away() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let digest = put(&cache, b"abc");
    let artifact = Artifact {
        digest: digest.clone(),
        size: 3,
        path: cache.blob(&digest),
        format: Format::WasmImage,
        pin: Pin::default(),
        reference_resolved: Some("r/x@sha256:1".to_owned()),
    };
    cache.remember("r/x:1", &artifact).unwrap();
    assert_eq!(cache.lookup("r/x:1").unwrap(), Some(artifact));
    assert_eq!(cache.lookup("r/x:2").unwrap(), None);
    fs::write(cache.blob(&digest), b"abd").unwrap();
    assert_eq!(cache.lookup("r/x:1").unwrap(), None);
    assert!(!cache.blob(&digest).exists());
}

#[test]
fn a_record_that_went_bad_counts_as_none() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    fs::write(cache.record_path("r/x:1"), b"{\"key\":").unwrap();
    chmod(&cache.record_path("r/x:1"), 0o600);
    assert_eq!(cache.lookup("r/x:1").unwrap(), None);
}

#[test]
fn a_fingerprint_never_leaves_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let parent = dir.path().join("compiled");
    assert_eq!(
        cache.compiled_dir("48.0.8-abc").unwrap(),
        parent.join("48.0.8-abc")
    );
    for odd in ["", "..", "../../x", "a/b", "."] {
        let path = cache.compiled_dir(odd).unwrap();
        assert_eq!(path.parent().unwrap(), parent, "{odd}");
        assert_eq!(path.file_name().unwrap().len(), 64, "{odd}");
    }
}

#[test]
fn what_earlier_versions_remembered_is_read() {
    let golden = shoal_golden::Golden::new(env!("CARGO_MANIFEST_DIR"), VERSION);
    golden.current::<Record>("reference.json");
    golden.readable_before("reference.json");
    let versions = golden.read_all::<Record>("reference.json").into_iter();
    assert_eq!(versions.map(|it| it.version).collect::<Vec<_>>(), [1, 2]);
}
