//! Fills a linker with what a component imports. Whether it may is decided before, by `shoal-admission`; what it finds there is decided
//! by the grants in its [`State`].

use crate::clocks::{self, HasClocks};
use crate::config::{self, Config, HasConfig};
use crate::environment::{Environment, HasEnvironment};
use crate::keyvalue::{self, Buckets, HasBuckets, HasStrings, Strings};
use crate::random::{HasRandom, Random};
use crate::secrets::{self, HasSecrets, Secrets};
use crate::{CapabilityError, State, network};
use shoal_admission::{Ambient, Generation, Interface, KeyValue};
use std::collections::BTreeSet;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::{p2, p3};
use wasmtime_wasi_http::{WasiHttp, WasiHttpView as _};

/// Adds what Shoal provides of a component's imports, and nothing else. Imports that Shoal does not know are left for others to
/// provide; so leave those out that a link provides.
///
/// The linker's engine must support concurrency if any import is of WASI 0.3.
///
/// # Errors
///
/// [`CapabilityError::Link`] where the linker holds an import already.
pub fn link<'a>(
    linker: &mut Linker<State>,
    imports: impl IntoIterator<Item = &'a str>,
) -> Result<(), CapabilityError> {
    // A component may import several versions of an interface, and one definition serves them all.
    let mut done = BTreeSet::new();
    for import in imports {
        if let Ok(interface) = Interface::of(import)
            && done.insert(interface)
        {
            add(linker, interface).map_err(|source| CapabilityError::Link {
                import: import.to_owned(),
                source,
            })?;
        }
    }
    Ok(())
}

fn add(l: &mut Linker<State>, interface: Interface) -> wasmtime::Result<()> {
    match interface {
        Interface::Ambient(which, Generation::Two) => ambient_two(l, which),
        Interface::Ambient(which, Generation::Three) => ambient_three(l, which),
        Interface::HttpTypes(Generation::Two) => {
            use wasmtime_wasi_http::p2::bindings::{LinkOptions, http::types};
            types::add_to_linker::<_, WasiHttp>(l, &(&LinkOptions::default()).into(), State::http)
        }
        Interface::HttpTypes(Generation::Three) => {
            wasmtime_wasi_http::p3::bindings::http::types::add_to_linker::<_, WasiHttp>(l, State::http)
        }
        Interface::HttpClient(Generation::Two) => {
            wasmtime_wasi_http::p2::bindings::http::outgoing_handler::add_to_linker::<_, WasiHttp>(
                l,
                State::http,
            )
        }
        Interface::HttpClient(Generation::Three) => {
            wasmtime_wasi_http::p3::bindings::http::client::add_to_linker::<_, WasiHttp>(l, State::http)
        }
        Interface::Sockets(which, generation) => network::link(l, which, generation),
        Interface::KeyValue(which) => key_value(l, which),
        Interface::KvStore => {
            keyvalue::string_bindings::kv_store::add_to_linker::<_, HasStrings>(l, |state| {
                Strings(state.grants())
            })
        }
        Interface::Secrets => {
            secrets::bindings::secrets::add_to_linker::<_, HasSecrets>(l, |state| Secrets(state.grants()))
        }
        Interface::Config => {
            config::bindings::store::add_to_linker::<_, HasConfig>(l, |state| Config(state.grants()))
        }
        // Admission refuses it.
        Interface::Messaging => Ok(()),
    }
}

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

fn clock_view(state: &mut State) -> clocks::View<'_> {
    clocks::View {
        clocks: &mut state.clocks,
        table: &mut state.table,
    }
}

fn buckets(state: &mut State) -> Buckets<'_> {
    Buckets {
        grants: state.hooks.grants(),
        table: &mut state.table,
    }
}

fn ambient_two(l: &mut Linker<State>, which: Ambient) -> wasmtime::Result<()> {
    use p2::bindings::{cli, clocks, filesystem, random};
    use wasmtime_wasi_io::bindings::wasi::io;
    match which {
        Ambient::Environment => {
            cli::environment::add_to_linker::<_, HasEnvironment>(l, |state| Environment(state.grants()))
        }
        Ambient::Exit => cli::exit::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::Stdin => cli::stdin::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::Stdout => cli::stdout::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::Stderr => cli::stderr::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::TerminalInput => cli::terminal_input::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::TerminalOutput => cli::terminal_output::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::TerminalStdin => cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::TerminalStdout => cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::TerminalStderr => cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::WallClock => clocks::wall_clock::add_to_linker::<_, HasClocks>(l, clock_view),
        Ambient::MonotonicClock => clocks::monotonic_clock::add_to_linker::<_, HasClocks>(l, clock_view),
        Ambient::FilesystemTypes => {
            filesystem::types::add_to_linker::<_, WasiFilesystem>(l, State::filesystem)
        }
        Ambient::Preopens => filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, State::filesystem),
        Ambient::IoError => io::error::add_to_linker::<_, HasTable>(l, |state| &mut state.table),
        Ambient::Poll => io::poll::add_to_linker::<_, HasTable>(l, |state| &mut state.table),
        Ambient::Streams => io::streams::add_to_linker::<_, HasTable>(l, |state| &mut state.table),
        Ambient::Random => random::random::add_to_linker::<_, HasRandom>(l, |_| Random),
        Ambient::Insecure => random::insecure::add_to_linker::<_, HasRandom>(l, |_| Random),
        Ambient::InsecureSeed => random::insecure_seed::add_to_linker::<_, HasRandom>(l, |_| Random),
        // Of 0.3 alone.
        Ambient::CliTypes | Ambient::ClockTypes => Ok(()),
    }
}

fn ambient_three(l: &mut Linker<State>, which: Ambient) -> wasmtime::Result<()> {
    use p3::bindings::{cli, clocks, filesystem, random};
    match which {
        Ambient::Environment => {
            cli::environment::add_to_linker::<_, HasEnvironment>(l, |state| Environment(state.grants()))
        }
        Ambient::Exit => cli::exit::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::Stdin => cli::stdin::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::Stdout => cli::stdout::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::Stderr => cli::stderr::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::TerminalInput => cli::terminal_input::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::TerminalOutput => cli::terminal_output::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::TerminalStdin => cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::TerminalStdout => cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::TerminalStderr => cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, State::cli),
        Ambient::WallClock => clocks::system_clock::add_to_linker::<_, HasClocks>(l, clock_view),
        Ambient::MonotonicClock => clocks::monotonic_clock::add_to_linker::<_, HasClocks>(l, clock_view),
        Ambient::ClockTypes => clocks::types::add_to_linker::<_, HasClocks>(l, clock_view),
        Ambient::FilesystemTypes => {
            filesystem::types::add_to_linker::<_, WasiFilesystem>(l, State::filesystem)
        }
        Ambient::Preopens => filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, State::filesystem),
        Ambient::Random => random::random::add_to_linker::<_, HasRandom>(l, |_| Random),
        Ambient::Insecure => random::insecure::add_to_linker::<_, HasRandom>(l, |_| Random),
        Ambient::InsecureSeed => random::insecure_seed::add_to_linker::<_, HasRandom>(l, |_| Random),
        // `wasi:cli/types` holds no function; the rest is of 0.2 alone.
        Ambient::CliTypes | Ambient::IoError | Ambient::Poll | Ambient::Streams => Ok(()),
    }
}

fn key_value(l: &mut Linker<State>, which: KeyValue) -> wasmtime::Result<()> {
    use keyvalue::bindings::{atomics, batch, store};
    match which {
        KeyValue::Store => store::add_to_linker::<_, HasBuckets>(l, buckets),
        KeyValue::Atomics => atomics::add_to_linker::<_, HasBuckets>(l, buckets),
        KeyValue::Batch => batch::add_to_linker::<_, HasBuckets>(l, buckets),
    }
}

#[cfg(test)]
mod tests;
