//! The grammar of the command line as a whole. Options of one command are tested beside it.

use super::*;

fn parse(text: &str) -> Result<Cli, clap::Error> {
    super::parse(&text.split(' ').map(OsString::from).collect::<Vec<_>>())
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
            ..
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
        "shoal deploy --push-to team",
        "shoal deploy --timeout 5",
        "shoal logs",
        "shoal logs a --since yesterday",
        "shoal status a -A",
        "shoal new a",
        "shoal new a -t cobol",
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

#[test]
fn a_plug_in_of_kubectl_calls_itself_so() {
    let help = |text: &str| parse(text).unwrap_err().to_string();
    for text in [
        "kubectl-shoal deploy --help",
        "/usr/local/bin/kubectl-shoal deploy --help",
    ] {
        assert!(
            help(text).contains("Usage: kubectl shoal deploy"),
            "{}",
            help(text)
        );
    }
    assert!(help("/usr/bin/shoal deploy --help").contains("Usage: shoal deploy"));
    assert!(help("kubectl-shoal deploy --nonsense").contains("kubectl shoal deploy"));
}
