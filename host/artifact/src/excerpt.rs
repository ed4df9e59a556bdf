//! Text of others, fit for an error's message.

/// At most `limit` characters of `text`, without control characters: others wrote it, a terminal will show it.
pub(crate) fn excerpt(text: &str, limit: usize) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = text.chars().take(limit).map(printable).collect();
    if text.chars().nth(limit).is_some() {
        short.push('…');
    }
    short
}
