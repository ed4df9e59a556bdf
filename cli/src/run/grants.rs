//! Options of `shoal run` as grants. A manifest's own rules check them.

use crate::failure::Failure;
use serde_json::json;
use shoal_api::{
    API_VERSION, Capabilities, Component, KIND, NetworkGrant, OutboundRule, Ports, Protocol, validate,
};
use shoal_service::{Folder, Mount};

/// A folder, from `--dir`.
#[derive(Clone, Debug)]
pub(crate) struct Dir(pub(crate) Mount);

/// What `--allow` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Allow {
    /// The interfaces of the network, and connections to nowhere.
    Nothing,
    To(Destination),
}

/// A destination, from `--allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    host: String,
    ports: Ports,
    protocol: Protocol,
}

/// `HOST`, `HOST:GUEST`, `HOST:GUEST:rw`.
pub(crate) fn dir(text: &str) -> Result<Dir, String> {
    let (rest, read_only) = match text.rsplit_once(':') {
        Some((rest, "rw")) => (rest, false),
        Some((rest, "ro")) => (rest, true),
        _ => (text, true),
    };
    let (source, path) = rest.split_once(':').unwrap_or((rest, rest));
    if source.is_empty() || path.is_empty() {
        return Err("a folder and its path in the program are needed: ./data:/data".to_owned());
    }
    if !(path.starts_with('/') || path == ".") {
        return Err(format!(
            "{path:?} is no path for a program, which is absolute or `.`: write {source}:/{path}"
        ));
    }
    Ok(Dir(Mount {
        source: Folder::Named(source.into()),
        path: path.to_owned(),
        read_only,
    }))
}

/// `HOST:PORT`, `HOST:PORT-PORT`, `*:PORT`, `[ADDRESS]:PORT/udp`, `none`.
pub(crate) fn allow(text: &str) -> Result<Allow, String> {
    if text == "none" {
        return Ok(Allow::Nothing);
    }
    let wanted = || {
        format!(
            "{text:?} is no destination: write HOST:PORT, such as api.example.com:443, *:443, db:8000-8999 or [::1]:53/udp"
        )
    };
    let (rest, protocol) = match text.rsplit_once('/') {
        Some((rest, "tcp")) => (rest, Protocol::Tcp),
        Some((rest, "udp")) => (rest, Protocol::Udp),
        // A range of addresses has a slash too.
        _ => (text, Protocol::Tcp),
    };
    let (host, port) = rest.rsplit_once(':').ok_or_else(wanted)?;
    let host = host
        .strip_prefix('[')
        .and_then(|it| it.strip_suffix(']'))
        .unwrap_or(host);
    let ports = port
        .parse()
        .ok()
        .filter(|it: &Ports| !it.is_empty())
        .ok_or_else(wanted)?;
    if host.is_empty() {
        return Err(wanted());
    }
    Ok(Allow::To(Destination {
        host: host.to_owned(),
        ports,
        protocol,
    }))
}

/// The grants of the network.
pub(crate) fn network(allow: &[Allow], private: bool) -> Capabilities {
    let rule = |it: &Destination| OutboundRule {
        host: it.host.clone(),
        ports: vec![it.ports],
        protocols: vec![it.protocol],
        allow_private: private || it.host == "localhost" || it.host.ends_with(".localhost"),
    };
    let destinations = allow.iter().filter_map(|it| match it {
        Allow::To(destination) => Some(rule(destination)),
        Allow::Nothing => None,
    });
    Capabilities {
        network: (!allow.is_empty()).then(|| NetworkGrant {
            outbound: destinations.collect(),
            ..NetworkGrant::default()
        }),
        ..Capabilities::default()
    }
}

/// Variables; a name alone takes our own value, if there is one.
pub(crate) fn variables<T: serde::de::DeserializeOwned>(env: &[String]) -> Result<Vec<T>, Failure> {
    let pairs = env.iter().filter_map(|text| match text.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => std::env::var(text).ok().map(|value| (text.clone(), value)),
    });
    // In a manifest $(NAME) stands for another variable; what a shell hands over is meant as it is.
    let entries: Vec<_> = pairs
        .map(|(name, value)| json!({ "name": name, "value": value.replace('$', "$$") }))
        .collect();
    serde_json::from_value(entries.into()).map_err(Failure::new)
}

/// Checks by the rules of a manifest.
pub(crate) fn check(component: &Component) -> Result<(), Failure> {
    let component = Component {
        name: "program".to_owned(),
        file: Some("program".to_owned()),
        ..component.clone()
    };
    let service = json!({
        "apiVersion": API_VERSION, "kind": KIND, "metadata": { "name": "run" }, "spec": { "components": [component] },
    });
    match validate::wasm_service(service) {
        Ok(_) => Ok(()),
        Err(problems) => {
            let mend = |text: String| text.trim_start_matches("spec.components[0].").to_owned();
            let lines: Vec<_> = problems.iter().map(|problem| mend(problem.to_string())).collect();
            Err(Failure::Usage(lines.join("\n")))
        }
    }
}
