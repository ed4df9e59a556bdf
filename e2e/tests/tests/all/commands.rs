//! `shoal run`: programs of `wasi:cli`, with the standard streams, arguments, variables, folders and exit code of any program.

use shoal_e2e::binaries::{cache, guest};
use shoal_e2e::process::{Ended, run_with};
use shoal_e2e::run;

fn program(name: &str, options: &[&str], arguments: &[&str], stdin: &[u8]) -> Ended {
    let path = guest(name);
    let all: Vec<&str> = [&["run"], options, &[path.to_str().unwrap()], arguments].concat();
    run_with(&all, stdin, &[], &cache())
}

#[test]
fn arguments_variables_and_streams_reach_a_program() {
    for name in ["command_hello", "module_hello"] {
        let ended = program(
            name,
            &["--env", "FISH=shoal", "-e", "EMPTY="],
            &["one", "--two", "-o", "$x y"],
            b"from stdin\n",
        );
        ended.succeeded();
        assert_eq!(
            ended.stdout, "arg one\narg --two\narg -o\narg $x y\nenv FISH=shoal\nenv EMPTY=\nfrom stdin\n",
            "{name}"
        );
        assert!(ended.stderr.contains("to stderr"), "{ended:?}");
    }
}

#[test]
fn a_program_of_0_3_runs_too() {
    let ended = program("command3_hello", &[], &["one"], b"from stdin\n");
    ended.succeeded();
    assert_eq!(ended.stdout, "arg one\nfrom stdin\n");
    assert_eq!(program("command3_hello", &[], &["exit=7"], b"").code, Some(7));
}

#[test]
fn of_two_versions_the_newer_runs() {
    let ended = program("command3_both", &[], &[], b"");
    ended.succeeded();
    assert_eq!(ended.stdout, "run by 0.3\n");
    let path = guest("command3_both");
    let inspected = run(&["inspect", path.to_str().unwrap()]);
    assert!(
        inspected.stdout.contains("wasi:cli/command (0.3)"),
        "{inspected:?}"
    );
}

#[test]
fn what_a_program_prints_arrives_to_the_byte() {
    for name in ["command_print", "command3_print", "module_print"] {
        let ended = program(name, &["--cpu-time", "1m"], &["40000", "100000"], b"");
        ended.succeeded();
        let mut expected = "x".repeat(40_000) + "\n";
        for n in 0..100_000 {
            expected += &format!("{n:06} of those that are kept\n");
        }
        assert!(ended.stdout == expected, "{name}: {} bytes", ended.stdout.len());
    }
}

#[test]
fn the_exit_code_is_the_programs() {
    for code in [0, 1, 2, 7, 42, 255] {
        assert_eq!(
            program("command_exit_code", &[], &[&code.to_string()], b"").code,
            Some(code)
        );
    }
    // By std, WASI 0.2 tells success and failure alone.
    assert_eq!(program("command_hello", &[], &["exit=0"], b"").code, Some(0));
    assert_eq!(program("command_hello", &[], &["exit=5"], b"").code, Some(1));
}

#[test]
fn large_streams_pass_through_whole() {
    let input: Vec<u8> = (0..3_000_000u32).map(|n| b'a' + (n % 23) as u8).collect();
    for name in ["command_hello", "module_hello"] {
        let ended = program(name, &[], &[], &input);
        ended.succeeded();
        assert!(
            ended.stdout.as_bytes() == input,
            "{name}: {} bytes came",
            ended.stdout.len()
        );
    }
}

#[test]
fn nothing_of_the_environment_reaches_a_program_unasked() {
    let ended = program("command_hello", &[], &[], b"");
    ended.succeeded();
    assert_eq!(ended.stdout, "");
    // By its name alone, our own value is passed on.
    let ended = program("command_hello", &["-e", shoal_e2e::process::MARK.0], &[], b"");
    assert_eq!(
        ended.stdout,
        format!(
            "env {}={}\n",
            shoal_e2e::process::MARK.0,
            shoal_e2e::process::MARK.1
        )
    );
}

#[test]
fn a_trap_and_each_limit_have_exit_codes_of_their_own() {
    let trap = program("command_trap", &[], &[], b"");
    assert_eq!(trap.stdout, "before the trap\n");
    assert_eq!(trap.code, Some(134), "{trap:?}");
    assert!(
        trap.stderr.contains("as asked") && trap.stderr.contains("unreachable"),
        "{trap:?}"
    );
    let endless = program("command_loop", &["--cpu-time", "200ms"], &[], b"");
    assert_eq!(endless.stdout, "before the loop\n");
    endless.failed(152, &["--cpu-time"]);
    program("command_loop", &["--timeout", "200ms"], &[], b"").failed(124, &["--timeout"]);
    program("command_hello", &["--memory", "64Ki"], &[], b"").failed(137, &["--memory"]);
}

#[test]
fn folders_are_there_when_they_are_granted_and_read_only_unless_asked() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("fish.txt"), "shoal\n").unwrap();
    let grant = format!("{}:/data", folder.path().display());
    let ended = program("command_files", &["--dir", &grant], &["/data/fish.txt"], b"");
    ended.succeeded();
    assert_eq!(ended.stdout, "shoal\n");
    let escape = program(
        "command_files",
        &["--dir", &grant],
        &["/data/../../etc/passwd", "/etc/passwd"],
        b"",
    );
    assert_eq!((escape.code, escape.stdout.as_str()), (Some(1), ""));
    assert_eq!(
        program("command_files", &[], &["/data/fish.txt"], b"").code,
        Some(1)
    );
}

#[test]
fn what_is_no_program_is_told_so() {
    program("http_hello", &[], &[], b"").failed(1, &["wasi:cli/run", "shoal up"]);
    program("module_unknown_import", &[], &[], b"").failed(1, &["launch"]);
    let missing = run(&["run", "./nowhere.wasm"]);
    missing.failed(1, &["nowhere.wasm"]);
}
