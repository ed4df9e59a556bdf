//! The installer on machines with systemd and cgroup v2. What is shown, in its order, is `guest/run.sh`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests, which clippy cannot see in this folder"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use shoal_machines::{Base, Brought, pause_archive, run};

const PROGRAMS: [&str; 4] = [
    "containerd-shim-shoal-v1",
    "shoald",
    "shoal-worker",
    "shoal-compile",
];
/// A script that stops half-way must not pass.
const SHOWN: usize = 29;

/// The folder that cargo builds programs into.
fn built() -> PathBuf {
    let this = std::env::current_exe().expect("this program");
    let folder = this.ancestors().nth(2).expect("deps lies in it");
    std::env::var_os("SHOAL_MACHINES_PROGRAMS").map_or_else(|| folder.to_owned(), PathBuf::from)
}

/// containerd 2.x as the cluster's tools build it: static.
fn newer_containerd() -> PathBuf {
    let cluster = built().join("shoal-cluster");
    let output = Command::new(cluster)
        .args(["build", "containerd"])
        .output()
        .expect("shoal-cluster");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    PathBuf::from(printed.lines().last().expect("a folder"))
}

fn show(containerd: Option<&Path>) -> String {
    let base = Base::ensure().expect("a base");
    let brought = Brought::new().expect("a folder");
    let built = built();
    for program in PROGRAMS {
        brought
            .copy(&built.join(program), &format!("payload/{program}"))
            .expect("brought");
    }
    brought
        .copy(&built.join("shoal-installer"), "shoal-installer")
        .expect("brought");
    for program in containerd
        .into_iter()
        .flat_map(|folder| folder.read_dir().expect("a folder"))
    {
        let program = program.expect("a file");
        let to = format!("containerd/{}", program.file_name().to_string_lossy());
        if program.path().is_file() {
            brought.copy(&program.path(), &to).expect("brought");
        }
    }
    let pause = pause_archive("shoal.dev/test/pause:1").expect("an archive");
    brought.write("pause.tar", pause).expect("written");
    brought
        .write("run.sh", include_str!("../guest/run.sh"))
        .expect("written");
    let said = run(&base, &brought).expect("a machine");
    println!("{said}");
    let count = |start: &str| said.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!((count("ok "), count("not ok ")), (SHOWN, 0), "{said}");
    assert!(said.ends_with("the end\n"), "{said}");
    said
}

#[test]
fn debian_with_its_own_containerd() {
    let said = show(None);
    assert!(said.contains(" 1.7."), "{said}");
}

#[test]
fn debian_with_containerd_2() {
    let said = show(Some(&newer_containerd()));
    assert!(said.contains(" 2."), "{said}");
}
