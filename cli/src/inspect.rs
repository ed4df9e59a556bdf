//! `shoal inspect`: what a component is, imports and exports, and what it would have to be granted.

mod grants;

use crate::console::Console;
use crate::registry::{self, Registry};
use crate::{Global, Outcome, setup};
use clap::Args;
use serde::Serialize;
use shoal_api::Component;
use shoal_artifact::{Format, Source};
use shoal_compile::Compiler;
use shoal_description::{Description, Kind, Variant, World};
use shoal_service::{Origin, Reason, admit};

/// Show what a component imports, exports, and would need to be granted
#[derive(Args, Debug)]
pub(crate) struct Inspect {
    /// A file, a reference, or oci:FOLDER for an OCI layout
    #[arg(value_parser = registry::source)]
    source: Source,
    #[command(flatten)]
    registry: Registry,
}

/// What is told of a component.
#[derive(Debug, Serialize)]
struct Report {
    source: String,
    digest: String,
    size: u64,
    format: Format,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    kind: Kind,
    variant: Variant,
    worlds: Vec<&'static str>,
    imports: Vec<Needed>,
    exports: Vec<String>,
    /// YAML for a manifest; empty where nothing needs to be granted.
    grants: String,
}

/// An import, and what it takes.
#[derive(Debug, Serialize)]
struct Needed {
    name: String,
    needs: Need,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Need {
    /// It is always there.
    Nothing,
    /// A grant.
    Grant,
    /// Another component that exports it.
    Link,
    /// Another version of Shoal.
    NotSupported,
}

pub(crate) async fn inspect(options: Inspect, global: &Global, console: &Console) -> Outcome {
    let Inspect { source, registry } = options;
    let cache = setup::cache(global)?;
    let compiler = Compiler::locate()?;
    let bar = console.bars.listener(&source.to_string());
    let artifact = cache.fetch(&source, &registry.fetch_for(&source), &*bar).await?;
    drop(bar);
    let description = compiler.describe(&artifact.path).await?;
    let (imports, grants) = needs(&description);
    let report = Report {
        source: source.to_string(),
        digest: artifact.digest.to_string(),
        size: artifact.size,
        format: artifact.format,
        reference: artifact.reference_resolved,
        kind: description.kind,
        variant: description.variant,
        worlds: worlds(&description),
        imports,
        exports: description.exports.into_iter().map(|it| it.name).collect(),
        grants,
    };
    console.result(&report, || text(&report))
}

/// What each import takes, and the part of a manifest that would grant it.
fn needs(description: &Description) -> (Vec<Needed>, String) {
    let names = || description.imports.iter().map(|it| it.name.as_str());
    let denied = admit(names(), &Component::default(), &Origin::Manifest(0))
        .err()
        .unwrap_or_default();
    let need = |name: &str| match denied.iter().find(|it| it.import == name).map(|it| &it.reason) {
        None => Need::Nothing,
        Some(Reason::NotGranted(_)) => Need::Grant,
        Some(Reason::NoSuchInterface | Reason::NoSuchFunction) => Need::Link,
        Some(Reason::OtherVersion { .. } | Reason::NotSupportedYet) => Need::NotSupported,
    };
    let imports = names()
        .map(|name| Needed {
            name: name.to_owned(),
            needs: need(name),
        })
        .collect();
    (imports, grants::yaml(&denied))
}

/// The names of the worlds that it fits by its exports.
fn worlds(description: &Description) -> Vec<&'static str> {
    let name = |world| match world {
        World::HttpProxy => "wasi:http/proxy (0.2)",
        World::HttpService => "wasi:http/service (0.3)",
        World::MyService => "shoal:service/my-service",
        World::MessageService => "shoal:service/message-service",
        World::Command if description.kind == Kind::CoreModule => "a program of WASI preview 1",
        World::Command if description.is_wasi3(world) => "wasi:cli/command (0.3)",
        World::Command => "wasi:cli/command (0.2)",
    };
    description.worlds().map(name).collect()
}

fn text(report: &Report) -> String {
    let kind = match report.kind {
        Kind::Component => "component",
        Kind::CoreModule => "core module of WASI preview 1",
    };
    let worlds = match report.worlds.as_slice() {
        [] => "none that Shoal can call".to_owned(),
        some => some.join(", "),
    };
    let mut out = format!("{}\n", report.source);
    let mut row = |name: &str, value: &str| out.push_str(&format!("  {name:<8} {value}\n"));
    row("kind", kind);
    row("format", &report.format.to_string());
    row("size", &format!("{} bytes", report.size));
    row("digest", &report.digest);
    if let Some(reference) = &report.reference {
        row("resolved", reference);
    }
    row("world", &worlds);
    out.push_str("imports\n");
    for Needed { name, needs } in &report.imports {
        let note = match needs {
            Need::Nothing => "",
            Need::Grant => "  (needs a grant)",
            Need::Link => "  (not of Shoal: another component must export it)",
            Need::NotSupported => "  (not supported)",
        };
        out.push_str(&format!("  {}{note}\n", crate::text::line(name.as_bytes())));
    }
    out.push_str("exports\n");
    for name in &report.exports {
        out.push_str(&format!("  {}\n", crate::text::line(name.as_bytes())));
    }
    if report.grants.is_empty() {
        out.push_str("grants: none needed\n");
    } else {
        out.push_str("grants, for its entry in a manifest (capitals are yours to fill in)\n");
        for line in report.grants.lines() {
            out.push_str(&format!("  {line}\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_description::{Export, Import, ItemKind};

    fn description(imports: &[&str], exports: &[&str]) -> Description {
        let kind = ItemKind::Interface;
        Description {
            kind: Kind::Component,
            variant: Variant::Plain,
            imports: imports
                .iter()
                .map(|it| Import {
                    name: (*it).to_owned(),
                    kind,
                })
                .collect(),
            exports: exports
                .iter()
                .map(|it| Export {
                    name: (*it).to_owned(),
                    kind,
                })
                .collect(),
        }
    }

    #[test]
    fn imports_are_told_apart_by_what_they_take() {
        let imports = [
            "wasi:cli/environment@0.2.6",
            "wasi:sockets/tcp@0.2.6",
            "acme:auth/check",
            "wasi:messaging/x@0.2.0",
        ];
        let (needed, grants) = needs(&description(&imports, &[]));
        let needs: Vec<_> = needed.iter().map(|it| it.needs).collect();
        assert_eq!(
            needs,
            [Need::Nothing, Need::Grant, Need::Link, Need::NotSupported]
        );
        assert!(
            grants.contains("network:") && grants.contains("acme:auth/check"),
            "{grants}"
        );
    }

    #[test]
    fn worlds_follow_from_exports() {
        let of = |export: &str| worlds(&description(&[], &[export]));
        assert_eq!(of("wasi:http/incoming-handler@0.2.6"), ["wasi:http/proxy (0.2)"]);
        assert_eq!(of("wasi:http/handler@0.3.0"), ["wasi:http/service (0.3)"]);
        assert_eq!(of("wasi:cli/run@0.3.0"), ["wasi:cli/command (0.3)"]);
        assert_eq!(of("wasi:cli/run@0.2.6"), ["wasi:cli/command (0.2)"]);
        assert_eq!(
            of("shoal:service/message-handler@0.1.0"),
            ["shoal:service/message-service"]
        );
        assert_eq!(of("handle-request"), ["shoal:service/my-service"]);
        assert!(of("other").is_empty());
        let both = ["wasi:cli/run@0.2.12", "wasi:cli/run@0.3.0"];
        assert_eq!(worlds(&description(&[], &both)), ["wasi:cli/command (0.3)"]);
    }
}
