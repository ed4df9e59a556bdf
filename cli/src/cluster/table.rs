//! Columns of text, as `kubectl get` lays them out.

use crate::text;
use k8s_openapi::jiff::Timestamp;

/// Rows with as many spaces between as line them up; cells are made fit for a terminal.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|it| (*it).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(&head)
        .chain(rows)
        .map(|row| row.iter().map(|cell| cleaned(cell)).collect())
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|it| it.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}   "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// One line; what is empty is shown as such.
fn cleaned(cell: &str) -> String {
    let line = cell.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    match line.is_empty() {
        true => "-".to_owned(),
        false => text::line(line.as_bytes()),
    }
}

/// How long ago something was, in one or two units.
pub(crate) fn age(then: Option<Timestamp>, now: Timestamp) -> String {
    let Some(then) = then else {
        return String::new();
    };
    let seconds = now.as_second().saturating_sub(then.as_second()).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => format!("{minutes}m{}s", seconds % 60),
        () if hours < 3 => format!("{minutes}m"),
        () if hours < 48 => format!("{hours}h"),
        () => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_moves_the_cursor() {
        let rows = [
            vec!["a".to_owned(), "grüße".to_owned(), String::new()],
            vec!["longer".to_owned(), "x\ny\x1b".to_owned(), "z".to_owned()],
        ];
        assert_eq!(
            table(&["NAME", "B", "C"], &rows),
            "NAME     B         C\na        grüße     -\nlonger   x y\\x1b   z\n"
        );
    }

    #[test]
    fn ages_get_coarser() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let ago = |seconds: i64| age(Timestamp::from_second(1_000_000 - seconds).ok(), now);
        let ages: Vec<_> = [0, 119, 121, 3600, 10_799, 90_000, 200_000, -5].map(ago).to_vec();
        assert_eq!(ages, ["0s", "119s", "2m1s", "60m", "179m", "25h", "2d", "0s"]);
        assert_eq!(age(None, now), "");
    }
}
