//! The templates of k3s and rke2, which are no TOML: our row between two marks at the end. Pure.

use std::path::{Path, PathBuf};

use super::error::{ConfigError, line};

const BEGIN: &str = "# BEGIN shoal-installer (`shoal-installer remove` takes this out)\n";
const END: &str = "# END shoal-installer\n";
/// What k3s would write without a template.
const BASE: &str = "{{ template \"base\" . }}\n";

/// The template from which a file of this version is made: k3s takes config-v3 for containerd 2 where there is one.
pub(super) fn path(config: &Path, version: i64) -> PathBuf {
    config.with_file_name(match version {
        ..3 => "config.toml.tmpl",
        3.. => "config-v3.toml.tmpl",
    })
}

/// The template with `row` in it.
pub(super) fn with_row(path: &Path, text: Option<&str>, row: &str) -> Result<String, ConfigError> {
    let rest = match text {
        Some(text) => cut(text).unwrap_or_else(|| text.to_owned()),
        None => BASE.to_owned(),
    };
    if let Some(at) = ["runtimes.shoal]", "runtimes.\"shoal\"]", "runtimes.'shoal']"]
        .iter()
        .find_map(|header| rest.find(header))
    {
        return Err(ConfigError::Conflict {
            path: path.to_owned(),
            line: line(&rest, at),
            kind: kind(rest.get(at..).unwrap_or_default()),
        });
    }
    let gap = if rest.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{rest}{gap}{BEGIN}{row}{END}"))
}

/// The type of the first runtime of `text`, as far as a template shows it.
fn kind(text: &str) -> String {
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with("runtime_type"));
    let value = line.and_then(|line| line.split(['"', '\'']).nth(1));
    value.unwrap_or("(unknown)").to_owned()
}

/// The template without it. None where nothing else is in it.
pub(super) fn without_row(text: &str) -> Option<String> {
    match cut(text) {
        Some(rest) if rest == BASE => None,
        Some(rest) => Some(rest),
        None => Some(text.to_owned()),
    }
}

/// What is around our marks.
fn cut(text: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{after}"))
}
