//! `shoal cache`: what is in the cache of this machine, and removing some of it.

use crate::console::Console;
use crate::{Global, Outcome, setup, text};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use shoal_api::{Duration, Quantity};
use shoal_artifact::{CacheUsage, CachedFile, CachedKind, Prune};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Show what the cache holds, or remove some of it
#[derive(Subcommand, Debug)]
pub(crate) enum Cache {
    /// List artifacts and compiled files, the least recently used first
    List,
    /// Remove what nothing uses
    Prune(What),
}

/// What is to go; nothing that runs.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct What {
    /// Everything
    #[arg(long)]
    all: bool,
    /// What was not used for so long, such as 168h
    #[arg(long, value_name = "DURATION")]
    unused_for: Option<Duration>,
    /// The least recently used, until the cache is no larger than this
    #[arg(long, value_name = "SIZE")]
    to: Option<Quantity>,
}

pub(crate) fn cache(command: &Cache, global: &Global, console: &Console) -> Outcome {
    let cache = setup::cache(global)?;
    match command {
        Cache::List => {
            let (files, usage) = (cache.list()?, cache.usage()?);
            let now = SystemTime::now();
            console.result(&objects(&files, usage, cache.dir()), || {
                table(&files, usage, cache.dir(), now)
            })
        }
        Cache::Prune(what) => {
            let pruned = cache.prune(what.prune())?;
            let value = json!({"removed": pruned.count, "bytes": pruned.bytes});
            console.result(&value, || {
                format!("removed {} files, {}\n", pruned.count, human(pruned.bytes))
            })
        }
    }
}

impl What {
    fn prune(&self) -> Prune {
        match (self.unused_for, &self.to) {
            (Some(unused), _) => Prune::Unused(unused.as_std()),
            (None, Some(size)) => Prune::To(size.bytes()),
            (None, None) => Prune::All,
        }
    }
}

/// The references that lead to an artifact, by its digest.
fn references(files: &[CachedFile]) -> BTreeMap<String, Vec<&str>> {
    let mut references = BTreeMap::<_, Vec<_>>::new();
    for file in files {
        if let (Some(digest), Some(reference)) = (&file.digest, &file.reference) {
            references
                .entry(digest.to_string())
                .or_default()
                .push(reference.as_str());
        }
    }
    references
}

fn objects(files: &[CachedFile], usage: CacheUsage, dir: &Path) -> Value {
    let references = references(files);
    let shown = files.iter().filter_map(|file| {
        let digest = file.digest.as_ref()?.to_string();
        let used = file.used.duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(json!({
            "kind": kind(file.kind)?,
            "references": references.get(&digest).cloned().unwrap_or_default(),
            "digest": digest,
            "size": file.size,
            "lastUsed": used.as_secs(),
            "inUse": file.in_use,
            "path": file.path,
        }))
    });
    json!({
        "path": dir,
        "size": usage.bytes,
        "bound": usage.bound,
        "files": shown.collect::<Vec<_>>(),
    })
}

fn table(files: &[CachedFile], usage: CacheUsage, dir: &Path, now: SystemTime) -> String {
    let references = references(files);
    let mut out = format!(
        "{:<9} {:>10} {:>9}  {:<6} {}\n",
        "KIND", "SIZE", "LAST USED", "IN USE", "DIGEST"
    );
    for file in files {
        let (Some(kind), Some(digest)) = (kind(file.kind), &file.digest) else {
            continue;
        };
        let used = now.duration_since(file.used).unwrap_or_default();
        let in_use = if file.in_use { "yes" } else { "no" };
        let digest = digest.to_string();
        let named = references
            .get(&digest)
            .map(|it| it.join(", "))
            .unwrap_or_default();
        let line = format!(
            "{kind:<9} {:>10} {:>9}  {in_use:<6} {digest}  {named}",
            human(file.size),
            age(used.as_secs()),
        );
        // References come from outside.
        out += text::line(line.trim_end().as_bytes()).as_str();
        out.push('\n');
    }
    let dir = dir.display().to_string();
    out += &format!(
        "{} of {} in {}\n",
        human(usage.bytes),
        human(usage.bound),
        text::line(dir.as_bytes())
    );
    out
}

/// Records are shown as the references of what they lead to.
fn kind(kind: CachedKind) -> Option<&'static str> {
    match kind {
        CachedKind::Artifact => Some("artifact"),
        CachedKind::Compiled => Some("compiled"),
        CachedKind::Record => None,
    }
}

/// A size in the largest unit that it has one of.
fn human(bytes: u64) -> String {
    let mut units = ["KiB", "MiB", "GiB", "TiB"].into_iter();
    let (mut unit, mut tenths) = ("B", u128::from(bytes) * 10);
    while tenths >= 10_240
        && let Some(next) = units.next()
    {
        (unit, tenths) = (next, tenths / 1024);
    }
    match tenths % 10 {
        0 => format!("{} {unit}", tenths / 10),
        rest => format!("{}.{rest} {unit}", tenths / 10),
    }
}

/// How long ago, as kubectl shows it.
fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_artifact::Digest;
    use std::time::Duration;

    fn file(kind: CachedKind, content: &str, reference: Option<&str>) -> CachedFile {
        CachedFile {
            kind,
            digest: Some(Digest::of(content.as_bytes())),
            reference: reference.map(str::to_owned),
            path: "/cache/file".into(),
            size: 188_416,
            used: UNIX_EPOCH,
            in_use: content == "used",
        }
    }

    #[test]
    fn sizes_and_ages_are_readable() {
        let sizes = [0, 1023, 1024, 1536, 200 << 20, 10 << 30, u64::MAX].map(human);
        let wanted = [
            "0 B",
            "1023 B",
            "1 KiB",
            "1.5 KiB",
            "200 MiB",
            "10 GiB",
            "16777215.9 TiB",
        ];
        assert_eq!(sizes, wanted);
        assert_eq!(
            [0, 119, 120, 7200, 172_800].map(age),
            ["0s", "119s", "2m", "2h", "2d"]
        );
    }

    #[test]
    fn an_artifact_is_listed_with_its_references() {
        let files = [
            file(CachedKind::Artifact, "used", None),
            file(CachedKind::Record, "used", Some("registry/\u{1b}[31mweb:1")),
            file(CachedKind::Compiled, "other", None),
        ];
        let usage = CacheUsage {
            bytes: 3 * 188_416,
            bound: 10 << 30,
            ..CacheUsage::default()
        };
        let now = UNIX_EPOCH + Duration::from_secs(90);
        let table = table(&files, usage, Path::new("/cache"), now);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 4, "{table}");
        assert!(
            lines[1].starts_with("artifact     184 KiB       90s  yes    sha256:"),
            "{table}"
        );
        assert!(lines[1].ends_with("registry/\\x1b[31mweb:1"), "{table}");
        assert!(
            lines[2].starts_with("compiled ") && lines[2].contains(" no "),
            "{table}"
        );
        assert_eq!(lines[3], "552 KiB of 10 GiB in /cache");
        let objects = objects(&files, usage, Path::new("/cache"));
        assert_eq!(objects["files"][0]["references"][0], "registry/\u{1b}[31mweb:1");
        assert_eq!(objects["files"].as_array().unwrap().len(), 2);
    }
}
