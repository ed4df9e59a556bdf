//! Fills a linker with what a component imports. Whether it may is decided before, by `shoal-admission`; what it finds there is decided
//! by the grants in its [`State`].

use crate::clocks::HasClocks;
use crate::config::{self, HasConfig};
use crate::early;
use crate::environment::HasEnvironment;
use crate::keyvalue::{self, HasBuckets, HasStrings};
use crate::messaging::{self, HasMessaging};
use crate::random::{HasRandom, HasSeed, Random};
use crate::secrets::{self, HasSecrets};
use crate::views::{Views, views};
use crate::{CapabilityError, State, logging, network, timezone};
use shoal_admission::{Ambient, Draft, Generation, Interface, KeyValue};
use std::collections::BTreeSet;
use wasmtime::component::{HasData, Linker, LinkerInstance, ResourceTable};
use wasmtime_wasi::cli::WasiCli;
use wasmtime_wasi::filesystem::WasiFilesystem;
use wasmtime_wasi::{p2, p3};
use wasmtime_wasi_http::WasiHttp;

/// An import of a component, and who imports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Import<'a> {
    /// The name under which the component imports it.
    pub name: &'a str,
    /// The interface.
    pub interface: &'a str,
    /// The part that imports it: its place in a composed component, 0 in any other.
    pub part: usize,
}

impl<'a> From<&'a str> for Import<'a> {
    /// An import of a component that is one part.
    fn from(name: &'a str) -> Self {
        Self {
            name,
            interface: name,
            part: 0,
        }
    }
}

/// Adds what Shoal provides of a component's imports, and nothing else. Imports that Shoal does not know are left for others to
/// provide; so leave those out that a link provides. Each part of a composed component finds what was granted to it, and nothing that
/// was granted to another.
///
/// The linker's engine must support concurrency if any import is of WASI 0.3.
///
/// # Errors
///
/// [`CapabilityError::Link`] where the linker holds an import already.
pub fn link<'a, I: Into<Import<'a>>>(
    linker: &mut Linker<State>,
    imports: impl IntoIterator<Item = I>,
) -> Result<(), CapabilityError> {
    let mut done = BTreeSet::new();
    for import in imports {
        let import = import.into();
        if let Ok(interface) = Interface::of(import.interface)
            && let Some(views) = views(import.part)
            && done.insert(import.name)
        {
            add(linker, import.name, interface, views).map_err(|source| CapabilityError::Link {
                import: import.interface.to_owned(),
                source,
            })?;
        }
    }
    Ok(())
}

fn add(l: &mut Linker<State>, name: &str, interface: Interface, views: &Views) -> wasmtime::Result<()> {
    if let Interface::Sockets(which, generation) = interface {
        return network::link(l, name, which, generation, views);
    }
    let it = &mut l.instance(name)?;
    match interface {
        Interface::Ambient(which, Generation::Two) => ambient_two(it, which, views),
        Interface::Ambient(which, Generation::Three) => ambient_three(it, which, views),
        Interface::HttpTypes(Generation::Two) => {
            use wasmtime_wasi_http::p2::bindings::{LinkOptions, http::types};
            types::add_to_linker_instance::<_, WasiHttp>(it, &(&LinkOptions::default()).into(), views.http)?;
            l.allow_shadowing(true);
            let shadowed = early::link(&mut l.instance(name)?, views.http);
            l.allow_shadowing(false);
            shadowed
        }
        Interface::HttpTypes(Generation::Three) => {
            wasmtime_wasi_http::p3::bindings::http::types::add_to_linker_instance::<_, WasiHttp>(
                it, views.http,
            )
        }
        Interface::HttpClient(Generation::Two) => network::handler::link2(it, views.http),
        Interface::HttpClient(Generation::Three) => network::handler::link3(it, views.http),
        Interface::KeyValue(which, draft) => key_value(it, (which, draft), views),
        Interface::Logging => logging::link(it, views),
        Interface::KvStore => {
            keyvalue::string_bindings::kv_store::add_to_linker_instance::<_, HasStrings>(it, views.strings)
        }
        Interface::Secrets => {
            secrets::bindings::secrets::add_to_linker_instance::<_, HasSecrets>(it, views.secrets)
        }
        Interface::Config => {
            config::bindings::store::add_to_linker_instance::<_, HasConfig>(it, views.config)
        }
        Interface::Messaging => {
            messaging::bindings::messaging::add_to_linker_instance::<_, HasMessaging>(it, views.messaging)
        }
        // Admission refuses the one; the other was linked above.
        Interface::WasiMessaging | Interface::Sockets(..) => Ok(()),
    }
}

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

fn ambient_two(l: &mut LinkerInstance<'_, State>, which: Ambient, views: &Views) -> wasmtime::Result<()> {
    use p2::bindings::{cli, clocks, filesystem, random};
    use wasmtime_wasi_io::bindings::wasi::io;
    match which {
        Ambient::Environment => {
            cli::environment::add_to_linker_instance::<_, HasEnvironment>(l, views.environment)
        }
        Ambient::Exit => cli::exit::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::Stdin => cli::stdin::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::Stdout => cli::stdout::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::Stderr => cli::stderr::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::TerminalInput => cli::terminal_input::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::TerminalOutput => cli::terminal_output::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::TerminalStdin => cli::terminal_stdin::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::TerminalStdout => cli::terminal_stdout::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::TerminalStderr => cli::terminal_stderr::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::WallClock => clocks::wall_clock::add_to_linker_instance::<_, HasClocks>(l, views.clocks),
        Ambient::MonotonicClock => {
            clocks::monotonic_clock::add_to_linker_instance::<_, HasClocks>(l, views.clocks)
        }
        Ambient::FilesystemTypes => {
            filesystem::types::add_to_linker_instance::<_, WasiFilesystem>(l, views.filesystem)
        }
        Ambient::Preopens => {
            filesystem::preopens::add_to_linker_instance::<_, WasiFilesystem>(l, views.preopens)
        }
        Ambient::IoError => io::error::add_to_linker_instance::<_, HasTable>(l, |state| &mut state.table),
        Ambient::Poll => io::poll::add_to_linker_instance::<_, HasTable>(l, |state| &mut state.table),
        Ambient::Streams => io::streams::add_to_linker_instance::<_, HasTable>(l, |state| &mut state.table),
        Ambient::Random => random::random::add_to_linker_instance::<_, HasRandom>(l, |_| Random),
        Ambient::Insecure => random::insecure::add_to_linker_instance::<_, HasRandom>(l, |_| Random),
        Ambient::InsecureSeed => random::insecure_seed::add_to_linker_instance::<_, HasSeed>(l, views.seed),
        Ambient::Timezone => timezone::two(l),
        // Of 0.3 alone.
        Ambient::CliTypes | Ambient::ClockTypes => Ok(()),
    }
}

fn ambient_three(l: &mut LinkerInstance<'_, State>, which: Ambient, views: &Views) -> wasmtime::Result<()> {
    use p3::bindings::{cli, clocks, filesystem, random};
    match which {
        Ambient::Environment => {
            cli::environment::add_to_linker_instance::<_, HasEnvironment>(l, views.environment)
        }
        Ambient::Exit => cli::exit::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::Stdin => cli::stdin::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::Stdout => cli::stdout::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::Stderr => cli::stderr::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::TerminalInput => cli::terminal_input::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::TerminalOutput => cli::terminal_output::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::TerminalStdin => cli::terminal_stdin::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::TerminalStdout => cli::terminal_stdout::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::TerminalStderr => cli::terminal_stderr::add_to_linker_instance::<_, WasiCli>(l, views.cli),
        Ambient::WallClock => clocks::system_clock::add_to_linker_instance::<_, HasClocks>(l, views.clocks),
        Ambient::MonotonicClock => {
            clocks::monotonic_clock::add_to_linker_instance::<_, HasClocks>(l, views.clocks)
        }
        Ambient::ClockTypes => clocks::types::add_to_linker_instance::<_, HasClocks>(l, views.clocks),
        Ambient::FilesystemTypes => {
            filesystem::types::add_to_linker_instance::<_, WasiFilesystem>(l, views.filesystem)
        }
        Ambient::Preopens => {
            filesystem::preopens::add_to_linker_instance::<_, WasiFilesystem>(l, views.preopens)
        }
        Ambient::Random => random::random::add_to_linker_instance::<_, HasRandom>(l, |_| Random),
        Ambient::Insecure => random::insecure::add_to_linker_instance::<_, HasRandom>(l, |_| Random),
        Ambient::InsecureSeed => random::insecure_seed::add_to_linker_instance::<_, HasSeed>(l, views.seed),
        Ambient::Timezone => timezone::three(l),
        // `wasi:cli/types` holds no function; the rest is of 0.2 alone.
        Ambient::CliTypes | Ambient::IoError | Ambient::Poll | Ambient::Streams => Ok(()),
    }
}

fn key_value(
    l: &mut LinkerInstance<'_, State>,
    which: (KeyValue, Draft),
    views: &Views,
) -> wasmtime::Result<()> {
    use keyvalue::bindings::{atomics, batch, store};
    use keyvalue::draft2;
    match which {
        (KeyValue::Store, Draft::One) => store::add_to_linker_instance::<_, HasBuckets>(l, views.buckets),
        (KeyValue::Store, Draft::Two) => {
            draft2::store::add_to_linker_instance::<_, HasBuckets>(l, views.buckets)
        }
        // Admission knows one of them alone.
        (KeyValue::Atomics, _) => atomics::add_to_linker_instance::<_, HasBuckets>(l, views.buckets),
        (KeyValue::Batch, Draft::One) => batch::add_to_linker_instance::<_, HasBuckets>(l, views.buckets),
        (KeyValue::Batch, Draft::Two) => {
            draft2::batch::add_to_linker_instance::<_, HasBuckets>(l, views.buckets)
        }
    }
}

#[cfg(test)]
mod tests;
