//! `scripts/again.sh`: which failures are tried again, and what is counted. The tests that it runs are a script that prints as libtest does.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy cannot see in this folder"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Two tests of which `a::first` passes and `b::second` fails; what happens when one is asked for by name is the case's own.
const TESTS: &str = r#"#!/bin/bash
if [ "$2" = --exact ]; then
    if AGAIN; then
        printf 'test %s ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored; 1 filtered out\n' "$3"
        exit 0
    fi
    printf 'test %s ... FAILED\n\nfailures:\n    %s\n\ntest result: FAILED. 0 passed; 1 failed; 0 ignored\n' "$3" "$3"
    exit 101
fi
echo "test a::first ... ok"
echo "test b::second ... FAILED"
printf '\nfailures:\n\n---- b::second stdout ----\nits reason\n\n\nfailures:\n    b::second\n\n'
echo "test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured"
END
exit 101
"#;

/// What `again.sh` printed, whether it succeeded, what `count.awk` makes of it, and the files that it kept.
fn again(once_more: &str, end: &str) -> (String, bool, String, Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir().unwrap();
    let tests = folder.path().join("tests");
    fs::write(&tests, TESTS.replace("AGAIN", once_more).replace("END", end)).unwrap();
    fs::set_permissions(&tests, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(root.join("scripts/again.sh"))
        .args(["a name", tests.to_str().unwrap(), "--"])
        .env("SHOAL_DEV_CACHE", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let log = folder.path().join("log");
    fs::write(&log, &said).unwrap();
    let counted = Command::new("awk")
        .arg("-f")
        .arg(root.join("scripts/count.awk"))
        .arg(&log)
        .output()
        .unwrap();
    let counted = String::from_utf8(counted.stdout).unwrap().trim().to_owned();
    let kept = fs::read_dir(folder.path().join("flaky")).into_iter().flatten();
    let kept = kept.flat_map(|run| fs::read_dir(run.unwrap().path()).unwrap());
    let mut kept: Vec<_> = kept
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    (said, output.status.success(), counted, kept)
}

#[test]
fn one_that_passes_the_second_time_is_passed_and_flaky_and_both_outputs_are_kept() {
    let (said, success, counted, kept) = again(r#"[ "$3" = b::second ]"#, "");
    assert!(success, "{said}");
    assert_eq!(counted, "2 0 2", "{said}");
    assert!(
        said.contains("\nflaky: b::second (failed, then passed: "),
        "{said}"
    );
    assert_eq!(kept, ["b--second.again.log", "first.log"]);
}

#[test]
fn one_that_fails_twice_has_failed_once() {
    let (said, success, counted, _) = again("false", "");
    assert!(!success && !said.contains("flaky"), "{said}");
    assert_eq!(counted, "1 1 2", "{said}");
}

#[test]
fn what_is_no_failed_test_is_not_tried_again() {
    let crash = "echo \"process didn't exit successfully: pods (signal: 6)\"";
    let (said, success, _, kept) = again("true", crash);
    assert!(!success && !said.contains("once more"), "{said}");
    assert!(kept.is_empty(), "{kept:?}");
    // Nor where a name is missing among the failures.
    let more = "echo 'test result: FAILED. 0 passed; 1 failed; 0 ignored'";
    let (said, success, _, _) = again("true", more);
    assert!(!success && !said.contains("once more"), "{said}");
}
