//! Prints one line of as many bytes as its first argument says, then as many numbered lines as the second says, all at once, then "done" to
//! stderr.

use std::io::Write;

pub fn main() {
    let number = |at| {
        std::env::args()
            .nth(at)
            .and_then(|it| it.parse().ok())
            .unwrap_or(0)
    };
    let mut all = "x".repeat(number(1));
    all.push('\n');
    for n in 0..number(2) {
        all.push_str(&format!("{n:06} of those that are kept\n"));
    }
    std::io::stdout().write_all(all.as_bytes()).expect("stdout");
    eprintln!("done");
}
