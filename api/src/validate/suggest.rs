//! "Did you mean": the name that is closest to a mistyped one.

/// The candidate that takes the fewest edits, if they are few enough for it to be what was meant.
pub(crate) fn closest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Names in manifests are short; a text that is not is no typo of one.
    if typed.chars().count() > 64 {
        return None;
    }
    let lower = typed.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(edits, candidate)| *edits <= 1 + candidate.chars().count().min(lower.chars().count()) / 4)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Damerau's distance with adjacent swaps only: insertions, deletions, replacements and swaps of neighbours.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_typos_and_nothing_else() {
        let fields = ["name", "image", "file", "capabilities", "mountPath", "readOnly"];
        for (typed, meant) in [
            ("nmae", Some("name")),
            ("Image", Some("image")),
            ("capabilites", Some("capabilities")),
            ("mountpath", Some("mountPath")),
            ("readonly", Some("readOnly")),
            ("command", None),
            ("", None),
        ] {
            assert_eq!(closest(typed, fields), meant, "{typed}");
        }
    }
}
