//! Options of `shoal run`, and what its exit codes tell.

use super::*;
use crate::{Cli, Command as Subcommand};
use clap::Parser;

fn parse(arguments: &[&str]) -> Result<Run, String> {
    let whole = ["shoal", "run"].iter().chain(arguments);
    match Cli::try_parse_from(whole)
        .map_err(|error| error.to_string())?
        .command
    {
        Subcommand::Run(run) => Ok(run),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn what_follows_the_source_is_the_programs() {
    let run = parse(&["--env", "A=1", "./dir/hello.wasm", "-v", "--", "--env", "x"]).unwrap();
    let command = command(run).unwrap();
    assert_eq!(command.component.args, ["-v", "--", "--env", "x"]);
    assert_eq!(command.component.name, "hello.wasm");
    assert_eq!(command.component.env[0].value.as_deref(), Some("1"));
    assert_eq!(
        command.component.limits.cpu_time.as_std(),
        std::time::Duration::from_secs(24 * 3600)
    );
    assert_eq!(command.timeout, None);
}

#[test]
fn an_unknown_option_is_not_taken_for_a_program() {
    let failure = command(parse(&["--nonsense", "x.wasm"]).unwrap()).err().unwrap();
    assert_eq!(failure.code(), 2);
    assert!(failure.text("error:").contains("\"--nonsense\" is no option"));
    assert!(parse(&["--env", "A=1"]).is_err());
}

#[test]
fn variables_are_taken_as_they_are() {
    let run = parse(&["-e", "A=$(B)=c", "-e", "SHOAL_TEST_NOT_SET", "x.wasm"]).unwrap();
    let command = command(run).unwrap();
    assert_eq!(command.component.env.len(), 1);
    assert_eq!(command.component.env[0].value.as_deref(), Some("$$(B)=c"));
}

#[test]
fn folders_are_read_only_unless_asked_otherwise() {
    let mount = |text| grants::dir(text).map(|it| (it.0.source.to_string(), it.0.path, it.0.read_only));
    assert_eq!(
        mount("./data:/data").unwrap(),
        ("./data".to_owned(), "/data".to_owned(), true)
    );
    assert_eq!(
        mount("/srv:/srv:rw").unwrap(),
        ("/srv".to_owned(), "/srv".to_owned(), false)
    );
    assert_eq!(mount(".").unwrap(), (".".to_owned(), ".".to_owned(), true));
    assert!(mount("data").unwrap_err().contains("data:/data"));
    assert!(mount(":/x").is_err());
}

#[test]
fn destinations_become_a_grant() {
    let run = parse(&[
        "--allow",
        "api.example.com:443",
        "--allow",
        "[::1]:53/udp",
        "--allow",
        "localhost:80",
        "--allow",
        "*:8000-8999",
        "x.wasm",
    ])
    .unwrap();
    let outbound = command(run)
        .unwrap()
        .component
        .capabilities
        .network
        .unwrap()
        .outbound;
    let seen: Vec<_> = outbound
        .iter()
        .map(|it| (it.host.as_str(), it.ports[0].to_string(), it.allow_private))
        .collect();
    assert_eq!(
        seen,
        [
            ("api.example.com", "443".to_owned(), false),
            ("::1", "53".to_owned(), false),
            ("localhost", "80".to_owned(), true),
            ("*", "8000-8999".to_owned(), false)
        ]
    );
    for wrong in ["example.com", "example.com:0", ":80", "example.com:http", "a:9-8"] {
        assert!(grants::allow(wrong).is_err(), "{wrong}");
    }
    assert!(grants::allow("10.0.0.0/8:5432").is_ok());
    let granted = |arguments: &[&str]| {
        command(parse(arguments).unwrap())
            .unwrap()
            .component
            .capabilities
            .network
    };
    assert_eq!(granted(&["x.wasm"]), None);
    assert_eq!(
        granted(&["--allow", "none", "x.wasm"]).map(|it| it.outbound.len()),
        Some(0)
    );
}

#[test]
fn the_rules_of_a_manifest_hold() {
    let run = parse(&["--allow", "not_a host:443", "x.wasm"]).unwrap();
    let failure = command(run).err().unwrap();
    assert_eq!(failure.code(), 2);
    assert!(
        failure
            .text("error:")
            .contains("error: capabilities.network.outbound[0].host"),
        "{}",
        failure.text("error:")
    );
    assert!(
        parse(&["--memory", "64MB", "x.wasm"])
            .unwrap_err()
            .contains("64Mi")
    );
}

#[test]
fn exit_codes_tell_faults_apart() {
    let limit = std::time::Duration::from_secs(1);
    let trap = Fault::Trap {
        text: "wasm trap".to_owned(),
    };
    let codes = [
        exit_code(&trap),
        exit_code(&Fault::Exceeded(Exceeded::Memory { wanted: 2, limit: 1 })),
        exit_code(&Fault::Exceeded(Exceeded::CpuTime { limit })),
        exit_code(&Fault::Deadline { limit }),
    ];
    assert_eq!(codes, [134, 137, 152, 124]);
    assert!(option_names(&Fault::Deadline { limit }.to_string()).starts_with("--timeout: "));
}
