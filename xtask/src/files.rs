//! `xtask check-files`: the habits that a formatter does not know. How long and how large files are, and that each Rust file
//! says first what lives in it.

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// A Rust file that outgrows this is split (CONTRIBUTING, "Files").
const MAX_LINES: usize = 400;
/// Nothing larger belongs in git: guests are built, not checked in.
const MAX_BYTES: usize = 300 * 1024;
/// Test input that is Rust only by its name.
const FIXTURES: [&str; 2] = ["xtask/tests/forbidden/", "/fixtures/"];

/// What is wrong with a file, and what to do.
#[derive(Debug, PartialEq, Eq)]
enum Problem {
    TooManyLines(usize),
    TooManyBytes(usize),
    NoHeadline,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::TooManyLines(lines) => {
                write!(f, "{lines} lines, at most {MAX_LINES}: split it by what it does")
            }
            Problem::TooManyBytes(bytes) => {
                write!(
                    f,
                    "{} KiB, at most {}: generate it instead of checking it in",
                    bytes / 1024,
                    MAX_BYTES / 1024
                )
            }
            Problem::NoHeadline => {
                write!(
                    f,
                    "the first line is not a `//!` line that says what lives here, and what does not"
                )
            }
        }
    }
}

/// Checks each file that git knows or would add; the error counts the problems, which were printed one by one.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let listing = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .output()
        .context("git ls-files: is git installed?")?;
    if !listing.status.success() {
        bail!(
            "git ls-files in {}: {}",
            root.display(),
            String::from_utf8_lossy(&listing.stderr).trim()
        );
    }
    let listed = String::from_utf8(listing.stdout).context("a file name that is not UTF-8")?;
    let (mut files, mut problems) = (0, 0);
    for name in listed.split_terminator('\0') {
        // Deleted but not yet committed, or a symlink that leads nowhere.
        let Ok(content) = std::fs::read(root.join(name)) else {
            continue;
        };
        files += 1;
        for problem in inspect(name, &content) {
            eprintln!("{name}: {problem}");
            problems += 1;
        }
    }
    if problems > 0 {
        bail!("{problems} problems in {files} files");
    }
    println!("check-files: {files} files, all within bounds");
    Ok(())
}

fn inspect(name: &str, content: &[u8]) -> Vec<Problem> {
    let mut problems = Vec::new();
    if content.len() > MAX_BYTES {
        problems.push(Problem::TooManyBytes(content.len()));
    }
    let fixture = FIXTURES.iter().any(|part| name.contains(part));
    if !name.ends_with(".rs") || fixture {
        return problems;
    }
    let lines = content.split(|byte| *byte == b'\n').count() - usize::from(content.ends_with(b"\n"));
    if lines > MAX_LINES {
        problems.push(Problem::TooManyLines(lines));
    }
    if !name.ends_with("build.rs") && !content.starts_with(b"//! ") {
        problems.push(Problem::NoHeadline);
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_400_lines_passes_and_one_of_401_does_not() {
        let longest = format!("//! A.\n{}", "\n".repeat(399));
        assert_eq!(inspect("api/src/lib.rs", longest.as_bytes()), []);
        let longer = format!("{longest}\n");
        assert_eq!(
            inspect("api/src/lib.rs", longer.as_bytes()),
            [Problem::TooManyLines(401)]
        );
        let unterminated = format!("{longest}x");
        assert_eq!(
            inspect("api/src/lib.rs", unterminated.as_bytes()),
            [Problem::TooManyLines(401)]
        );
    }

    #[test]
    fn a_rust_file_says_what_lives_in_it() {
        assert_eq!(
            inspect("cli/src/main.rs", b"fn main() {}\n"),
            [Problem::NoHeadline]
        );
        assert_eq!(inspect("cli/src/main.rs", b""), [Problem::NoHeadline]);
        assert_eq!(
            inspect("cli/src/main.rs", b"#![no_main]\n//! Late.\n"),
            [Problem::NoHeadline]
        );
        assert_eq!(inspect("cli/build.rs", b"fn main() {}\n"), []);
        assert_eq!(inspect("xtask/tests/forbidden/api/src/lib.rs", b""), []);
        assert_eq!(inspect("README.md", b"# Shoal\n"), []);
    }

    #[test]
    fn a_large_file_is_refused_whatever_it_is() {
        let large = vec![b'x'; MAX_BYTES + 1];
        assert_eq!(
            inspect("docs/picture.png", &large),
            [Problem::TooManyBytes(MAX_BYTES + 1)]
        );
        assert_eq!(inspect("docs/picture.png", &large[1..]), []);
    }
}
