//! The figures as tables for people.

use crate::figures::Figures;
use std::fmt::Write;

/// Rows of the first table: the name in the figures, and what it is.
const SERVERS: [(&str, &str); 6] = [
    ("fresh", "shoal up, fresh instances"),
    ("serve_fresh", "wasmtime serve, fresh instances"),
    ("serve_tuned", "wasmtime serve, fresh, tuned"),
    ("reuse", "shoal up, instances reused"),
    ("serve_reuse", "wasmtime serve, instances reused"),
    ("native", "hyper without a component"),
];

/// Everything that was measured.
pub(crate) fn of(figures: &Figures) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = throughput(figures, &mut text);
    let _ = others(figures, &mut text);
    text
}

fn throughput(figures: &Figures, text: &mut String) -> std::fmt::Result {
    let connections = figures.suffixes("native_rps_");
    for connections in connections {
        writeln!(
            text,
            "{connections} connections{:23} requests/s   p50 us   p99 us   CPU us each",
            ""
        )?;
        for (name, what) in SERVERS {
            let figure = |kind: &str| {
                figures
                    .get(&format!("{name}_{kind}_{connections}"))
                    .unwrap_or_default()
            };
            writeln!(
                text,
                "  {what:34} {:>10.0} {:>8.0} {:>8.0} {:>14.1}",
                figure("rps"),
                figure("p50_us"),
                figure("p99_us"),
                figure("cpu_us")
            )?;
        }
    }
    writeln!(text)
}

/// Figures that are in no table above, by name.
fn others(figures: &Figures, text: &mut String) -> std::fmt::Result {
    let tabled = |name: &str| {
        SERVERS.iter().any(|(server, _)| {
            let rest = name.strip_prefix(server).and_then(|rest| rest.strip_prefix('_'));
            rest.is_some_and(|rest| {
                ["rps_", "p50_us_", "p99_us_", "cpu_us_"]
                    .iter()
                    .any(|kind| rest.starts_with(kind))
            })
        })
    };
    for (name, value) in figures.iter().filter(|(name, _)| !tabled(name)) {
        writeln!(text, "{name:42} {value:>12.2}")?;
    }
    Ok(())
}
