//! The grammar of the command line as a whole. Options of one command are tested beside it.

use super::*;

fn parse(text: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(text.split(' '))
}

#[test]
fn clap_finds_no_mistake_in_our_grammar() {
    command().debug_assert();
}

#[test]
fn global_options_stand_before_or_behind_the_command() {
    for text in [
        "shoal -o json --cache /x -v version",
        "shoal version -o json --cache /x -v",
    ] {
        let Global {
            output,
            cache,
            verbose,
        } = parse(text).unwrap().global;
        assert_eq!(
            (output, cache, verbose),
            (Format::Json, Some(PathBuf::from("/x")), 1),
            "{text}"
        );
    }
}

#[test]
fn wrong_arguments_exit_with_2() {
    for text in [
        "shoal nonsense",
        "shoal up",
        "shoal up a.yaml --listen here",
        "shoal up a.yaml --grace 5",
        "shoal up a.yaml --slots 0",
        "shoal push a.wasm UPPER/x",
        "shoal push a.wasm x --format tar",
        "shoal completions csh",
        "shoal -o yaml version",
    ] {
        assert_eq!(parse(text).unwrap_err().exit_code(), 2, "{text}");
    }
}

#[test]
fn asking_for_help_is_no_mistake() {
    for text in ["shoal --help", "shoal up --help", "shoal --version"] {
        assert_eq!(parse(text).unwrap_err().exit_code(), 0, "{text}");
    }
}
