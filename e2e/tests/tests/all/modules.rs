//! Core modules of WASI preview 1: their memory is theirs, their exit code too, and the same grants and limits hold as for components.
//! What `shoal run` promises of any program is in `commands`; one that a schedule runs is in `triggers`.

use shoal_e2e::binaries::{cache, guest};
use shoal_e2e::process::{Ended, run_with};
use shoal_e2e::run;

fn program(name: &str, options: &[&str], arguments: &[&str]) -> Ended {
    let path = guest(name);
    let all: Vec<&str> = [&["run"], options, &[path.to_str().unwrap()], arguments].concat();
    run_with(&all, b"", &[], &cache())
}

#[test]
fn nobody_else_grows_or_writes_its_memory() {
    let ended = program("module_own_page", &[], &[]);
    assert_eq!(
        (ended.stdout.as_str(), ended.code),
        ("mine\n", Some(3)),
        "{ended:?}"
    );
    // 64 KiB each: its own three pages are all that is counted.
    assert_eq!(
        program("module_own_page", &["--memory", "192Ki"], &[]).code,
        Some(3)
    );
}

#[test]
fn each_exit_code_is_its_own() {
    let codes: Vec<u8> = (0..=255).collect();
    std::thread::scope(|scope| {
        for codes in codes.chunks(64) {
            scope.spawn(move || {
                for code in codes {
                    let ended = program("module_hello", &[], &[&format!("exit={code}")]);
                    assert_eq!(ended.code, Some(i32::from(*code)), "{ended:?}");
                }
            });
        }
    });
}

#[test]
fn its_limits_are_those_of_a_component() {
    let probe = |options: &[&str], what: &str| program("module_probe", options, &[what]);
    probe(&["--memory", "8Mi"], "memory").failed(137, &["--memory"]);
    probe(&["--cpu-time", "200ms"], "loop").failed(152, &["--cpu-time"]);
    probe(&["--timeout", "200ms"], "sleep").failed(124, &["--timeout"]);
    probe(&[], "random").failed(134, &["exceeds limit 4194304"]);
    let trap = probe(&[], "nonsense");
    assert_eq!(trap.code, Some(134), "{trap:?}");
    assert!(trap.stderr.contains("unreachable"), "{trap:?}");
    // There are no sockets in preview 1 but those that a host opens; here it opens none.
    let socket = probe(&[], "socket");
    assert_ne!(socket.stdout, "socket 0\n", "{socket:?}");
}

#[test]
fn it_sees_the_folders_that_it_is_granted_and_holds_so_many_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("fish.txt"), "shoal\n").unwrap();
    let grant = format!("{}:/data", folder.path().display());
    let granted = ["--dir", &grant];
    let files = |options: &[&str], path: &str| program("module_probe", options, &["files", path]);
    let ended = files(&granted, "/data/fish.txt");
    ended.succeeded();
    assert_eq!(ended.stdout, "shoal\n");
    for path in ["/data/../../etc/passwd", "/etc/passwd"] {
        let escape = files(&granted, path);
        assert_eq!((escape.code, escape.stdout.as_str()), (Some(1), ""), "{path}");
    }
    assert_eq!(files(&[], "/data/fish.txt").code, Some(1));
    let full = program("module_probe", &granted, &["handles", "/data/fish.txt"]);
    full.failed(134, &["1024 handles"]);
}

#[test]
fn what_is_no_program_of_preview_1_is_refused_by_name() {
    program("module_unknown_import", &[], &[]).failed(1, &["launch"]);
    let path = guest("module_own_page");
    let inspected = run(&["inspect", path.to_str().unwrap()]);
    inspected.succeeded();
    for part in ["core module of WASI preview 1", "grants: none needed"] {
        assert!(inspected.stdout.contains(part), "{inspected:?}");
    }
}
