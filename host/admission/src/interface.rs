//! Which interfaces Shoal knows, and what each needs. Pure: this is the one table that admission and linking share.

/// A name as it stands in a component: `wasi:http/types@0.2.6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// `wasi:http`
    pub package: &'a str,
    /// `types`
    pub interface: &'a str,
    /// `0.2.6`
    pub version: Option<&'a str>,
}

impl<'a> Name<'a> {
    /// The parts of the name; none where it is that of a bare function or value.
    pub fn parse(name: &'a str) -> Option<Self> {
        let (path, version) = match name.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (name, None),
        };
        let (package, interface) = path.split_once('/')?;
        package.contains(':').then_some(Self {
            package,
            interface,
            version,
        })
    }
}

/// A generation of WASI. Within one, every later version offers what the earlier ones did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Generation {
    /// 0.2.x
    Two,
    /// 0.3.x
    Three,
}

/// What Shoal can provide, by what authority it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interface {
    /// Imported by every language's runtime as a matter of course: always linked, with nothing in it that was not granted.
    Ambient(Ambient, Generation),
    /// The types of requests and responses, which carry no authority.
    HttpTypes(Generation),
    /// Outgoing requests: `outgoing-handler` of 0.2, `client` of 0.3.
    HttpClient(Generation),
    /// An interface of `wasi:sockets`.
    Sockets(Socket, Generation),
    /// `wasi:keyvalue`.
    KeyValue(KeyValue, Draft),
    /// `shoal:service/kv-store`.
    KvStore,
    /// `shoal:service/secrets`.
    Secrets,
    /// `wasi:config`: `store`, which drafts called `runtime`.
    Config,
    /// `wasi:logging/logging`: lines of the service's log.
    Logging,
    /// `shoal:service/messaging`.
    Messaging,
    /// `wasi:messaging`, which is not provided yet.
    WasiMessaging,
}

/// The ambient interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ambient {
    /// `wasi:cli/environment`
    Environment,
    /// `wasi:cli/exit`
    Exit,
    /// `wasi:cli/types`, of 0.3 alone.
    CliTypes,
    /// `wasi:cli/stdin`
    Stdin,
    /// `wasi:cli/stdout`
    Stdout,
    /// `wasi:cli/stderr`
    Stderr,
    /// `wasi:cli/terminal-input`
    TerminalInput,
    /// `wasi:cli/terminal-output`
    TerminalOutput,
    /// `wasi:cli/terminal-stdin`
    TerminalStdin,
    /// `wasi:cli/terminal-stdout`
    TerminalStdout,
    /// `wasi:cli/terminal-stderr`
    TerminalStderr,
    /// `wall-clock` of 0.2, `system-clock` of 0.3.
    WallClock,
    /// `wasi:clocks/monotonic-clock`
    MonotonicClock,
    /// `wasi:clocks/types`, of 0.3 alone.
    ClockTypes,
    /// `wasi:clocks/timezone`: UTC.
    Timezone,
    /// `wasi:filesystem/types`
    FilesystemTypes,
    /// `wasi:filesystem/preopens`
    Preopens,
    /// `wasi:io`, of 0.2 alone.
    IoError,
    /// `wasi:io/poll`
    Poll,
    /// `wasi:io/streams`
    Streams,
    /// `wasi:random/random`
    Random,
    /// `wasi:random/insecure`
    Insecure,
    /// `wasi:random/insecure-seed`
    InsecureSeed,
}

/// The interfaces of `wasi:sockets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Socket {
    /// `network`
    Network,
    /// `instance-network`
    InstanceNetwork,
    /// `tcp`
    Tcp,
    /// `tcp-create-socket`
    TcpCreate,
    /// `udp`
    Udp,
    /// `udp-create-socket`
    UdpCreate,
    /// `ip-name-lookup`
    NameLookup,
    /// `wasi:sockets/types` of 0.3: TCP and UDP.
    Types,
}

/// The interfaces of `wasi:keyvalue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyValue {
    /// `store`
    Store,
    /// `atomics`
    Atomics,
    /// `batch`
    Batch,
}

/// The drafts of `wasi:keyvalue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Draft {
    /// 0.2.0-draft: cursors are numbers.
    One,
    /// 0.2.0-draft2: cursors are texts. `atomics` has compare-and-swap, which stores here don't.
    Two,
}

/// Why a name is not in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// No such interface in any version.
    Interface,
    /// Other versions of it are known: these.
    Version(&'static str),
}

impl Interface {
    /// Looks up a name.
    ///
    /// # Errors
    ///
    /// Where it is in no version of Shoal's, or in others only.
    pub fn of(name: &str) -> Result<Self, Unknown> {
        let name = Name::parse(name).ok_or(Unknown::Interface)?;
        if let Some(interface) = ours(name)? {
            return Ok(interface);
        }
        let two = wasi(name, Generation::Two);
        let three = wasi(name, Generation::Three);
        match (generation(name.version), two, three) {
            (Some(Generation::Two), Some(interface), _) | (Some(Generation::Three), _, Some(interface)) => {
                Ok(interface)
            }
            (_, None, None) => Err(Unknown::Interface),
            (_, two, three) => Err(Unknown::Version(releases(
                name.version,
                two.is_some(),
                three.is_some(),
            ))),
        }
    }
}

/// The releases that have an interface, for someone who built against another version: that of the same generation where there is one.
fn releases(version: Option<&str>, two: bool, three: bool) -> &'static str {
    let built = version.unwrap_or_default();
    match (two, three) {
        (true, true) if built.starts_with("0.2.") => "0.2",
        (true, true) if built.starts_with("0.3.") => "0.3.0",
        (true, true) => "0.2 or 0.3.0",
        (true, false) => "0.2",
        (false, _) => "0.3.0",
    }
}

fn generation(version: Option<&str>) -> Option<Generation> {
    // Pre-releases (0.2.0-rc-2023-11-10, 0.3.0-rc-2026-01-06) differ from the release and from each other. Those that don't are renamed
    // before anybody sees them (`shoal-compile`).
    let version = version.filter(|version| !version.contains('-'))?;
    match version.split('.').collect::<Vec<_>>().as_slice() {
        ["0", "2", _] => Some(Generation::Two),
        ["0", "3", _] => Some(Generation::Three),
        _ => None,
    }
}

/// Interfaces whose versions are not those of WASI as a whole, each version with what it is.
fn ours(name: Name<'_>) -> Result<Option<Interface>, Unknown> {
    use Interface::{Config, KeyValue as Keys, KvStore, Logging, Messaging, Secrets};
    let (known, wanted): (&[(Option<&str>, Interface)], &'static str) = match (name.package, name.interface) {
        ("shoal:service", "kv-store") => (&[(Some("0.1.0"), KvStore)], "0.1.0"),
        ("shoal:service", "secrets") => (&[(Some("0.1.0"), Secrets)], "0.1.0"),
        ("shoal:service", "messaging") => (&[(Some("0.1.0"), Messaging)], "0.1.0"),
        // Their functions and types are the same.
        ("wasi:config", "store") => (
            &[
                (Some("0.2.0-rc.1"), Config),
                (Some("0.2.0-draft"), Config),
                (Some("0.2.0-draft-2024-09-27"), Config),
            ],
            "0.2.0-rc.1",
        ),
        // So are they here, but for the name of a type, which nothing refers to by its name.
        ("wasi:config", "runtime") => (&[(Some("0.2.0-draft"), Config)], "0.2.0-draft"),
        ("wasi:logging", "logging") => (&[(Some("0.1.0-draft"), Logging), (None, Logging)], "0.1.0-draft"),
        ("wasi:keyvalue", "store") => (
            &[
                (Some("0.2.0-draft"), Keys(KeyValue::Store, Draft::One)),
                (Some("0.2.0-draft2"), Keys(KeyValue::Store, Draft::Two)),
            ],
            "0.2.0-draft or 0.2.0-draft2",
        ),
        ("wasi:keyvalue", "batch") => (
            &[
                (Some("0.2.0-draft"), Keys(KeyValue::Batch, Draft::One)),
                (Some("0.2.0-draft2"), Keys(KeyValue::Batch, Draft::Two)),
            ],
            "0.2.0-draft or 0.2.0-draft2",
        ),
        ("wasi:keyvalue", "atomics") => (
            &[(Some("0.2.0-draft"), Keys(KeyValue::Atomics, Draft::One))],
            "0.2.0-draft",
        ),
        ("wasi:messaging", _) => return Ok(Some(Interface::WasiMessaging)),
        _ => return Ok(None),
    };
    match known.iter().find(|(version, _)| *version == name.version) {
        Some((_, interface)) => Ok(Some(*interface)),
        None => Err(Unknown::Version(wanted)),
    }
}

fn wasi(name: Name<'_>, generation: Generation) -> Option<Interface> {
    use Generation::{Three, Two};
    let ambient = |which| Some(Interface::Ambient(which, generation));
    let socket = |which| Some(Interface::Sockets(which, generation));
    match (name.package, name.interface, generation) {
        ("wasi:cli", "environment", _) => ambient(Ambient::Environment),
        ("wasi:cli", "exit", _) => ambient(Ambient::Exit),
        ("wasi:cli", "types", Three) => ambient(Ambient::CliTypes),
        ("wasi:cli", "stdin", _) => ambient(Ambient::Stdin),
        ("wasi:cli", "stdout", _) => ambient(Ambient::Stdout),
        ("wasi:cli", "stderr", _) => ambient(Ambient::Stderr),
        ("wasi:cli", "terminal-input", _) => ambient(Ambient::TerminalInput),
        ("wasi:cli", "terminal-output", _) => ambient(Ambient::TerminalOutput),
        ("wasi:cli", "terminal-stdin", _) => ambient(Ambient::TerminalStdin),
        ("wasi:cli", "terminal-stdout", _) => ambient(Ambient::TerminalStdout),
        ("wasi:cli", "terminal-stderr", _) => ambient(Ambient::TerminalStderr),
        ("wasi:clocks", "wall-clock", Two) => ambient(Ambient::WallClock),
        ("wasi:clocks", "system-clock", Three) => ambient(Ambient::WallClock),
        ("wasi:clocks", "monotonic-clock", _) => ambient(Ambient::MonotonicClock),
        ("wasi:clocks", "types", Three) => ambient(Ambient::ClockTypes),
        ("wasi:clocks", "timezone", _) => ambient(Ambient::Timezone),
        ("wasi:filesystem", "types", _) => ambient(Ambient::FilesystemTypes),
        ("wasi:filesystem", "preopens", _) => ambient(Ambient::Preopens),
        ("wasi:io", "error", Two) => ambient(Ambient::IoError),
        ("wasi:io", "poll", Two) => ambient(Ambient::Poll),
        ("wasi:io", "streams", Two) => ambient(Ambient::Streams),
        ("wasi:random", "random", _) => ambient(Ambient::Random),
        ("wasi:random", "insecure", _) => ambient(Ambient::Insecure),
        ("wasi:random", "insecure-seed", _) => ambient(Ambient::InsecureSeed),
        ("wasi:http", "types", _) => Some(Interface::HttpTypes(generation)),
        ("wasi:http", "outgoing-handler", Two) => Some(Interface::HttpClient(Two)),
        ("wasi:http", "client", Three) => Some(Interface::HttpClient(Three)),
        ("wasi:sockets", "network", Two) => socket(Socket::Network),
        ("wasi:sockets", "instance-network", Two) => socket(Socket::InstanceNetwork),
        ("wasi:sockets", "tcp", Two) => socket(Socket::Tcp),
        ("wasi:sockets", "tcp-create-socket", Two) => socket(Socket::TcpCreate),
        ("wasi:sockets", "udp", Two) => socket(Socket::Udp),
        ("wasi:sockets", "udp-create-socket", Two) => socket(Socket::UdpCreate),
        ("wasi:sockets", "ip-name-lookup", _) => socket(Socket::NameLookup),
        ("wasi:sockets", "types", Three) => socket(Socket::Types),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let name = Name::parse("wasi:http/types@0.2.6").expect("a name");
        assert_eq!(
            (name.package, name.interface, name.version),
            ("wasi:http", "types", Some("0.2.6"))
        );
        let name = Name::parse("acme:auth/check").expect("a name");
        assert_eq!(
            (name.package, name.interface, name.version),
            ("acme:auth", "check", None)
        );
        assert_eq!(Name::parse("host-function"), None);
        assert_eq!(Name::parse("a/b"), None);
    }

    #[test]
    fn every_release_of_a_generation_is_known() {
        let two = Interface::HttpTypes(Generation::Two);
        assert_eq!(Interface::of("wasi:http/types@0.2.0"), Ok(two));
        assert_eq!(Interface::of("wasi:http/types@0.2.12"), Ok(two));
        assert_eq!(
            Interface::of("wasi:http/types@0.3.0"),
            Ok(Interface::HttpTypes(Generation::Three))
        );
    }

    #[test]
    fn drafts_that_other_platforms_build_against_are_known() {
        for (name, interface) in [
            ("wasi:config/store@0.2.0-rc.1", Interface::Config),
            ("wasi:config/store@0.2.0-draft", Interface::Config),
            ("wasi:config/store@0.2.0-draft-2024-09-27", Interface::Config),
            ("wasi:config/runtime@0.2.0-draft", Interface::Config),
            ("wasi:logging/logging", Interface::Logging),
            ("wasi:logging/logging@0.1.0-draft", Interface::Logging),
            (
                "wasi:keyvalue/store@0.2.0-draft",
                Interface::KeyValue(KeyValue::Store, Draft::One),
            ),
            (
                "wasi:keyvalue/batch@0.2.0-draft2",
                Interface::KeyValue(KeyValue::Batch, Draft::Two),
            ),
            (
                "wasi:clocks/timezone@0.2.3",
                Interface::Ambient(Ambient::Timezone, Generation::Two),
            ),
        ] {
            assert_eq!(Interface::of(name), Ok(interface), "{name}");
        }
    }

    #[test]
    fn other_versions_are_told_apart_from_other_interfaces() {
        assert_eq!(
            Interface::of("wasi:http/types@0.3.0-rc-2026-01-06"),
            Err(Unknown::Version("0.3.0"))
        );
        assert_eq!(
            Interface::of("wasi:http/types@0.2.0-rc-2023-11-10"),
            Err(Unknown::Version("0.2"))
        );
        assert_eq!(
            Interface::of("wasi:http/types"),
            Err(Unknown::Version("0.2 or 0.3.0"))
        );
        assert_eq!(Interface::of("wasi:io/poll@0.3.0"), Err(Unknown::Version("0.2")));
        assert_eq!(
            Interface::of("wasi:http/client@0.2.0"),
            Err(Unknown::Version("0.3.0"))
        );
        assert_eq!(
            Interface::of("wasi:keyvalue/store@0.2.0"),
            Err(Unknown::Version("0.2.0-draft or 0.2.0-draft2"))
        );
        assert_eq!(
            Interface::of("wasi:keyvalue/atomics@0.2.0-draft2"),
            Err(Unknown::Version("0.2.0-draft"))
        );
        assert_eq!(Interface::of("wasi:http/handler@0.3.0"), Err(Unknown::Interface));
        assert_eq!(Interface::of("acme:auth/check"), Err(Unknown::Interface));
        assert_eq!(Interface::of("run"), Err(Unknown::Interface));
    }
}
