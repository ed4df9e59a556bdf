//! How large the node's cache may become: the file that shoald reads when it starts. One that somebody else wrote is left alone, unless we
//! are told a size.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files;
use crate::remove::ROOT;

/// What is done with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Leave,
    Write,
    Remove,
}

/// Decides by the size that we are told, what we wrote last, and what is there. Pure.
fn decide(told: Option<&str>, ours: Option<&str>, there: Option<&str>) -> Step {
    let there = there.map(str::trim);
    match told {
        Some(_) if told == there => Step::Leave,
        Some(_) => Step::Write,
        None if ours.is_some() && ours == there => Step::Remove,
        None => Step::Leave,
    }
}

/// Reads a size such as `10Gi`: what shoald understands. Empty is none.
pub fn cache_size(text: &str) -> Result<Option<String>, Error> {
    const UNITS: [&str; 9] = ["", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"];
    let text = text.trim();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(number).unwrap_or_default();
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    match text {
        "" => Ok(None),
        _ if digits && (1..=15).contains(&number.len()) && UNITS.contains(&unit) => Ok(Some(text.to_owned())),
        _ => Err(Error::CacheSize(text.to_owned())),
    }
}

/// Makes the file say what we are told; whether shoald may not know yet. `ours` is to be saved once it does.
pub(crate) fn put(told: Option<&str>, ours: &mut Option<String>) -> Result<bool, Error> {
    let path = path();
    let there = fs::read_to_string(&path).ok();
    let step = decide(told, ours.as_deref(), there.as_deref());
    match (step, told) {
        (Step::Write, Some(size)) => files::replace(&path, format!("{size}\n").as_bytes())?,
        (Step::Remove, _) => files::remove(&path)?,
        _ => {}
    }
    let before = std::mem::replace(ours, told.map(str::to_owned));
    Ok(step != Step::Leave || before != *ours)
}

fn path() -> PathBuf {
    Path::new(ROOT).join("cache-size")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_what_we_are_told_and_others_files_stay() {
        let (small, large) = (Some("1Gi"), Some("20Gi"));
        for (told, ours, there, step) in [
            (None, None, None, Step::Leave),
            (small, None, None, Step::Write),
            (small, small, Some("1Gi\n"), Step::Leave),
            (large, small, Some("1Gi\n"), Step::Write),
            (large, None, Some("by hand"), Step::Write),
            (None, small, Some("1Gi\n"), Step::Remove),
            (None, None, Some("1Gi\n"), Step::Leave),
            (None, small, Some("by hand"), Step::Leave),
            (None, small, None, Step::Leave),
        ] {
            assert_eq!(decide(told, ours, there), step, "{told:?} {ours:?} {there:?}");
        }
    }

    #[test]
    fn a_size_is_a_whole_number_and_a_unit() {
        for right in ["10Gi", "500M", "1024", " 2Ti\n"] {
            assert_eq!(cache_size(right).expect("right").as_deref(), Some(right.trim()));
        }
        assert_eq!(cache_size("").expect("none"), None);
        for wrong in ["lots", "10GB", "-1", "1.5Gi", "Gi", "1 Gi"] {
            let said = cache_size(wrong).expect_err(wrong).to_string();
            assert!(said.contains(wrong) && said.contains("10Gi"), "{said}");
        }
    }
}
