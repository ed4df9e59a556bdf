//! Text from elsewhere, made fit for a terminal: whoever wrote it may not move the cursor, colour what follows or forge a line.

use std::fmt::Write;

/// One line of bytes. What is not UTF-8 is replaced; control characters and those that reorder text are escaped, tabs stay.
pub(crate) fn line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if text.chars().all(harmless) {
        text.into_owned()
    } else {
        escaped(&text)
    }
}

/// Several lines; those after the first are indented, so that none can pass for another message.
pub(crate) fn block(text: &str) -> String {
    let lines: Vec<String> = text
        .trim_end()
        .split('\n')
        .map(|it| line(it.as_bytes()))
        .collect();
    lines.join("\n    ")
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\r' => out.push_str("\\r"),
            _ if harmless(c) => out.push(c),
            // Writing to a String does not fail.
            _ if u32::from(c) < 0x100 => drop(write!(out, "\\x{:02x}", u32::from(c))),
            _ => drop(write!(out, "\\u{{{:x}}}", u32::from(c))),
        }
    }
    out
}

fn harmless(c: char) -> bool {
    // Embeddings, overrides and isolates (Unicode UAX 9): text after them is shown in another order than it has.
    let reorders = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c == '\t' || !(c.is_control() || reorders || matches!(c, '\u{2028}' | '\u{2029}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_not_obeyed() {
        assert_eq!(
            line(b"a\tb \x1b[31mred\x07\rback \xff"),
            "a\tb \\x1b[31mred\\x07\\rback \u{fffd}"
        );
        assert_eq!(
            line("\u{9b}31m \u{202e}live \u{2028}".as_bytes()),
            "\\x9b31m \\u{202e}live \\u{2028}"
        );
        assert_eq!(line("grüße 🐟".as_bytes()), "grüße 🐟");
    }

    #[test]
    fn a_second_line_cannot_pass_for_a_message() {
        assert_eq!(
            block("trap\nerror: all is lost\x1b\n"),
            "trap\n    error: all is lost\\x1b"
        );
    }
}
