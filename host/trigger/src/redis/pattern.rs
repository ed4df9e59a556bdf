//! Patterns of channels: which of them Redis takes, and yet matches what nobody can have meant. Pure.
//! <https://redis.io/docs/latest/commands/psubscribe/>

/// Why a pattern is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A class of characters without an end.
    #[error("has a [ without a ]: close it, or write \\[ for the character itself")]
    Open,
    /// A class that no character is of.
    #[error(
        "has a [] with nothing in it, which matches no channel: write \\[\\] for the characters themselves"
    )]
    Empty,
    /// A backslash with nothing behind it.
    #[error("ends in a \\ with nothing behind it: write \\\\ for the character itself")]
    Escape,
}

/// Looks at a pattern.
///
/// # Errors
///
/// What is wrong with it.
pub fn check(pattern: &str) -> Result<(), PatternError> {
    let mut chars = pattern.chars();
    // How many characters the class has that is open.
    let mut class: Option<usize> = None;
    while let Some(c) = chars.next() {
        match (c, &mut class) {
            ('\\', class) => {
                chars.next().ok_or(PatternError::Escape)?;
                if let Some(length) = class {
                    *length += 1;
                }
            }
            ('[', None) => class = Some(0),
            (']', Some(0)) => return Err(PatternError::Empty),
            (']', Some(_)) => class = None,
            (_, Some(length)) => *length += 1,
            (_, None) => {}
        }
    }
    match class {
        Some(_) => Err(PatternError::Open),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_have_meant_is_told() {
        for good in [
            "orders.*", "a?b", "h[ae]llo", "h[^e]llo", "h[a-b]", r"\[x", r"a[\]]b", "]",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let bad = [
            ("a[b", PatternError::Open),
            ("a[", PatternError::Open),
            (r"[a\]", PatternError::Open),
            ("a[]b", PatternError::Empty),
            (r"a\", PatternError::Escape),
        ];
        for (bad, error) in bad {
            assert_eq!(check(bad), Err(error), "{bad}");
        }
    }
}
