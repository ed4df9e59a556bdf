//! Every interface in the table can be linked, in each of its generations, on the engines that components run on.

use super::*;
use wasmtime::{Config, Engine};

const TWO: [&str; 41] = [
    "wasi:cli/environment@0.2.6",
    "wasi:cli/exit@0.2.6",
    "wasi:cli/stdin@0.2.6",
    "wasi:cli/stdout@0.2.6",
    "wasi:cli/stderr@0.2.6",
    "wasi:cli/terminal-input@0.2.6",
    "wasi:cli/terminal-output@0.2.6",
    "wasi:cli/terminal-stdin@0.2.6",
    "wasi:cli/terminal-stdout@0.2.6",
    "wasi:cli/terminal-stderr@0.2.6",
    "wasi:clocks/wall-clock@0.2.6",
    "wasi:clocks/monotonic-clock@0.2.6",
    "wasi:filesystem/types@0.2.6",
    "wasi:filesystem/preopens@0.2.6",
    "wasi:io/error@0.2.6",
    "wasi:io/poll@0.2.6",
    "wasi:io/streams@0.2.6",
    "wasi:random/random@0.2.6",
    "wasi:random/insecure@0.2.6",
    "wasi:random/insecure-seed@0.2.6",
    "wasi:http/types@0.2.6",
    "wasi:http/outgoing-handler@0.2.6",
    "wasi:sockets/network@0.2.6",
    "wasi:sockets/instance-network@0.2.6",
    "wasi:sockets/tcp@0.2.6",
    "wasi:sockets/tcp-create-socket@0.2.6",
    "wasi:sockets/udp@0.2.6",
    "wasi:sockets/udp-create-socket@0.2.6",
    "wasi:sockets/ip-name-lookup@0.2.6",
    "wasi:keyvalue/store@0.2.0-draft",
    "wasi:keyvalue/atomics@0.2.0-draft",
    "wasi:keyvalue/batch@0.2.0-draft",
    "wasi:config/store@0.2.0-rc.1",
    "wasi:config/store@0.2.0-draft",
    "wasi:config/store@0.2.0-draft-2024-09-27",
    "wasi:config/runtime@0.2.0-draft",
    "wasi:logging/logging",
    "wasi:logging/logging@0.1.0-draft",
    "wasi:clocks/timezone@0.2.6",
    "wasi:keyvalue/store@0.2.0-draft2",
    "wasi:keyvalue/batch@0.2.0-draft2",
];

const THREE: [&str; 24] = [
    "wasi:cli/environment@0.3.0",
    "wasi:cli/exit@0.3.0",
    "wasi:cli/types@0.3.0",
    "wasi:cli/stdin@0.3.0",
    "wasi:cli/stdout@0.3.0",
    "wasi:cli/stderr@0.3.0",
    "wasi:cli/terminal-input@0.3.0",
    "wasi:cli/terminal-output@0.3.0",
    "wasi:cli/terminal-stdin@0.3.0",
    "wasi:cli/terminal-stdout@0.3.0",
    "wasi:cli/terminal-stderr@0.3.0",
    "wasi:clocks/types@0.3.0",
    "wasi:clocks/system-clock@0.3.0",
    "wasi:clocks/monotonic-clock@0.3.0",
    "wasi:clocks/timezone@0.3.0",
    "wasi:filesystem/types@0.3.0",
    "wasi:filesystem/preopens@0.3.0",
    "wasi:random/random@0.3.0",
    "wasi:random/insecure@0.3.0",
    "wasi:random/insecure-seed@0.3.0",
    "wasi:http/types@0.3.0",
    "wasi:http/client@0.3.0",
    "wasi:sockets/types@0.3.0",
    "wasi:sockets/ip-name-lookup@0.3.0",
];

const OURS: [&str; 3] = [
    "shoal:service/kv-store@0.1.0",
    "shoal:service/messaging@0.1.0",
    "shoal:service/secrets@0.1.0",
];

fn linker(concurrent: bool) -> Linker<State> {
    let mut config = Config::new();
    config.concurrency_support(concurrent);
    Linker::new(&Engine::new(&config).expect("an engine"))
}

/// Whether the linker holds an instance of this name: opening it anew and adding to it what it has already is refused.
fn holds(linker: &mut Linker<State>, interface: &str, function: &str) -> bool {
    linker
        .instance(interface)
        .expect("an instance")
        .func_wrap(function, |_, ()| Ok(()))
        .is_err()
}

#[test]
fn everything_of_0_2_links_without_concurrency() {
    let mut linker = linker(false);
    link(&mut linker, TWO.into_iter().chain(OURS)).expect("linked");
    assert!(holds(
        &mut linker,
        "wasi:cli/environment@0.2.6",
        "get-environment"
    ));
    assert!(holds(
        &mut linker,
        "wasi:sockets/ip-name-lookup@0.2.6",
        "resolve-addresses"
    ));
    assert!(holds(&mut linker, "shoal:service/kv-store@0.1.0", "get"));
    assert!(holds(&mut linker, "shoal:service/messaging@0.1.0", "publish"));
    assert!(holds(
        &mut linker,
        "wasi:keyvalue/atomics@0.2.0-draft",
        "increment"
    ));
}

#[test]
fn both_generations_link_side_by_side() {
    let mut linker = linker(true);
    link(&mut linker, TWO.into_iter().chain(OURS).chain(THREE)).expect("linked");
    assert!(holds(
        &mut linker,
        "wasi:sockets/ip-name-lookup@0.3.0",
        "resolve-addresses"
    ));
    assert!(holds(&mut linker, "wasi:http/client@0.3.0", "send"));
}

#[test]
fn several_versions_of_an_interface_are_one() {
    let imports = [
        "wasi:io/poll@0.2.0",
        "wasi:io/poll@0.2.3",
        "wasi:io/poll@0.2.6",
        "wasi:io/poll@0.2.6",
    ];
    link(&mut linker(false), imports).expect("linked once");
}

#[test]
fn what_is_not_imported_or_not_known_is_not_linked() {
    let mut linker = linker(false);
    link(&mut linker, ["wasi:cli/stdout@0.2.6", "acme:auth/check", "run"]).expect("linked");
    assert!(holds(&mut linker, "wasi:cli/stdout@0.2.6", "get-stdout"));
    assert!(!holds(
        &mut linker,
        "wasi:cli/environment@0.2.6",
        "get-environment"
    ));
    assert!(!holds(&mut linker, "acme:auth/check", "check"));
}

/// What is changed of sockets is what wasmtime-wasi defines: were its names others, the changes would go nowhere.
#[test]
fn sockets_are_changed_where_wasmtime_defines_them() {
    use wasmtime::component::ResourceType;
    use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsCtxView};
    let view: fn(&mut State) -> WasiSocketsCtxView<'_> = |state| network::sockets(state, 0);
    let mut linker = linker(true);
    p2::bindings::sockets::tcp::add_to_linker::<_, WasiSockets>(&mut linker, view).expect("linked");
    p2::bindings::sockets::udp::add_to_linker::<_, WasiSockets>(&mut linker, view).expect("linked");
    p3::bindings::sockets::types::add_to_linker::<_, WasiSockets>(&mut linker, view).expect("linked");
    for (interface, resource) in [
        ("wasi:sockets/tcp@0.2.12", "tcp-socket"),
        ("wasi:sockets/udp@0.2.12", "udp-socket"),
        ("wasi:sockets/types@0.3.0", "tcp-socket"),
        ("wasi:sockets/types@0.3.0", "udp-socket"),
    ] {
        let mut instance = linker.instance(interface).expect("an instance");
        let twice = instance.resource(resource, ResourceType::host::<()>(), |_, _| Ok(()));
        assert!(twice.is_err(), "{interface}: wasmtime has no {resource} there");
    }
    for function in ["[static]tcp-socket.create", "[static]udp-socket.create"] {
        assert!(
            holds(&mut linker, "wasi:sockets/types@0.3.0", function),
            "{function}"
        );
    }
}

#[test]
fn each_part_has_a_name_of_its_own_for_every_interface() {
    let mut linker = linker(true);
    let all: Vec<_> = TWO.into_iter().chain(OURS).chain(THREE).collect();
    let names: Vec<_> = (0..3)
        .flat_map(|part| {
            all.iter()
                .map(move |name| (format!("p{part}-{name}"), *name, part))
        })
        .collect();
    let imports = names.iter().map(|(name, interface, part)| Import {
        name,
        interface,
        part: *part,
    });
    link(&mut linker, imports).expect("linked");
    for part in 0..3 {
        let name = format!("p{part}-wasi:cli/environment@0.2.6");
        assert!(holds(&mut linker, &name, "get-environment"));
    }
    assert!(!holds(
        &mut linker,
        "wasi:cli/environment@0.2.6",
        "get-environment"
    ));
}
