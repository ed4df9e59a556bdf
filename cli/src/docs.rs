//! The reference of all commands, generated from what clap knows of them. `make generate` writes it to `docs/cli.md`.

use clap::{Arg, Command};

/// The reference as Markdown: the same bytes for the same commands.
pub fn docs() -> String {
    let mut command = crate::command();
    command.build();
    let mut out = String::from(
        "# The command `shoal`\n\n<!-- Generated from cli/ by `make generate`. Do not edit. -->\n\n",
    );
    paragraph(&mut out, command.get_about());
    out.push_str("| command | |\n|---|---|\n");
    for sub in visible(&command) {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        out.push_str(&format!(
            "| [`shoal {0}`](#shoal-{0}) | {about} |\n",
            sub.get_name()
        ));
    }
    out.push_str("\n## Options of every command\n\n");
    table(&mut out, command.get_arguments().filter(|it| it.is_global_set()));
    paragraph(&mut out, command.get_after_help());
    for sub in visible(&command) {
        section(&mut out, "shoal", sub);
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// A command's section, and those of its own commands.
fn section(out: &mut String, parent: &str, command: &Command) {
    let name = format!("{parent} {}", command.get_name());
    out.push_str(&format!("## {name}\n\n"));
    paragraph(out, command.get_long_about().or(command.get_about()));
    let usage = command.clone().render_usage().to_string();
    out.push_str(&format!(
        "```\n{}\n```\n\n",
        usage.trim_start_matches("Usage: ").trim()
    ));
    table(out, command.get_arguments().filter(|it| !it.is_global_set()));
    paragraph(out, command.get_after_help());
    for sub in visible(command) {
        section(out, &name, sub);
    }
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|it| !it.is_hide_set() && it.get_name() != "help")
}

fn paragraph(out: &mut String, text: Option<&clap::builder::StyledStr>) {
    if let Some(text) = text {
        out.push_str(&format!("{text}\n\n"));
    }
}

fn table<'a>(out: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let rows: Vec<_> = arguments
        .filter(|it| !it.is_hide_set() && !is_of_clap(it))
        .map(row)
        .collect();
    if !rows.is_empty() {
        out.push_str(&format!("| | | default |\n|---|---|---|\n{}\n", rows.concat()));
    }
}

fn is_of_clap(argument: &Arg) -> bool {
    matches!(argument.get_id().as_str(), "help" | "version")
}

fn row(argument: &Arg) -> String {
    let names: Vec<_> = argument
        .get_value_names()
        .into_iter()
        .flatten()
        .map(ToString::to_string)
        .collect();
    let takes = argument.get_action().takes_values();
    let value = if takes {
        format!(" {}", names.join(" "))
    } else {
        String::new()
    };
    let name = match (argument.get_short(), argument.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}{value}"),
        (Some(short), None) => format!("-{short}{value}"),
        (None, Some(long)) => format!("--{long}{value}"),
        (None, None) => names.join(" "),
    };
    let mut help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let choices: Vec<_> = match takes {
        true => argument
            .get_possible_values()
            .iter()
            .map(|it| format!("`{}`", it.get_name()))
            .collect(),
        false => Vec::new(),
    };
    if !choices.is_empty() {
        help.push_str(&format!(": {}", choices.join(", ")));
    }
    if let Some(variable) = argument.get_env() {
        help.push_str(&format!(". Or in `{}`", variable.to_string_lossy()));
    }
    let mut default: Vec<_> = argument
        .get_default_values()
        .iter()
        .map(|it| format!("`{}`", it.to_string_lossy()))
        .collect();
    if !takes {
        default.clear();
    }
    // Defaults that depend on something are said in the text.
    if let Some((before, after)) = help.clone().split_once(" [default: ")
        && let Some((said, rest)) = after.split_once(']')
    {
        default = vec![said.to_owned()];
        help = format!("{before}{rest}");
    }
    format!(
        "| `{name}` | {} | {} |\n",
        help.replace('|', "\\|"),
        default.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_visible_command_and_option_is_there() {
        let docs = docs();
        for part in [
            "## shoal up\n",
            "## shoal run\n",
            "`--listen ADDRESS:PORT`",
            "`127.0.0.1:3000`",
            "`SHOAL_CACHE`",
            "134",
        ] {
            assert!(docs.contains(part), "{part}");
        }
        assert!(!docs.contains("shoal docs") && !docs.contains("--help"), "{docs}");
        assert!(!docs.contains('\u{1b}'));
    }
}
