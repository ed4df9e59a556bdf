//! What the cache gives up beside what it has no room for: what was made of images that kubelet has removed, and files of other builds
//! of the engine. And how full it is, for whoever watches the node.

use super::{Images, image_key};
use crate::error::Error;
use crate::files;
use crate::node::Node;
use shoal_artifact::{CacheUsage, CachedFile, Digest};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at all images, where containerd says nothing.
const EVERY: Duration = Duration::from_secs(300);
/// How long to wait for more, once an image is removed: kubelet removes several at a time, each under several names.
const PAUSE: Duration = Duration::from_secs(1);
/// How long to wait for a containerd that doesn't answer.
const AWAY: Duration = Duration::from_secs(15);
/// Between two writes of the metrics.
const METRICS: Duration = Duration::from_secs(15);

/// The images that the cache has something of, by containerd's namespace.
type Noted = BTreeMap<String, Vec<(Digest, Digest)>>;

/// Collects for as long as the daemon lives.
pub(crate) fn start(node: &Arc<Node>) {
    let (watching, measuring) = (Arc::clone(node), Arc::clone(node));
    tokio::spawn(async move {
        loop {
            let removed = tokio::time::timeout(EVERY, watching.images.store.removed()).await;
            // An error: containerd is away, or was restarted.
            let pause = if matches!(removed, Ok(Err(_))) {
                AWAY
            } else {
                PAUSE
            };
            tokio::time::sleep(pause).await;
            if let Err(error) = watching.images.collect().await {
                tracing::warn!("cannot compare the cache with containerd's images: {error}");
            }
        }
    });
    tokio::spawn(async move {
        loop {
            if let Err(error) = measuring.write_metrics().await {
                tracing::warn!("cannot write the cache's metrics: {error}");
            }
            tokio::time::sleep(METRICS).await;
        }
    });
}

impl Images {
    /// Forgets what was made of images that containerd no longer has.
    pub(crate) async fn collect(&self) -> Result<(), Error> {
        let cache = self.cache.clone();
        let listed = files::on_the_node(move || {
            cache.remove_stale().map_err(std::io::Error::other)?;
            cache.list().map_err(std::io::Error::other)
        });
        let listed = listed.await.map_err(Error::file("list", self.cache.dir()))?;
        for (namespace, noted) in noted(&listed) {
            let present = self.store.images(&namespace).await?;
            for (image, digest) in gone(&noted, &present) {
                self.known().remove(&image);
                let (cache, key) = (self.cache.clone(), image_key(&namespace, &image));
                let forget = move || cache.forget(&digest, &key).map_err(std::io::Error::other);
                let removed = files::on_the_node(forget).await.map_err(Error::file(
                    "remove what was made of an image from",
                    self.cache.dir(),
                ))?;
                if removed.count > 0 {
                    tracing::info!(image = %image, bytes = removed.bytes, "its image was removed, and what was made of it");
                }
            }
        }
        Ok(())
    }
}

impl Node {
    /// In the text format of Prometheus, for the textfile collector of its node exporter.
    async fn write_metrics(&self) -> std::io::Result<()> {
        let cache = self.images.cache.clone();
        let path = self.paths.metrics();
        let write = move || {
            let usage = cache.usage().map_err(std::io::Error::other)?;
            let folder = path.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(folder)?;
            let new = path.with_extension("new");
            std::fs::write(&new, metrics(usage))?;
            std::fs::rename(new, path)
        };
        files::on_the_node(write).await
    }
}

/// The images that records of the cache are about.
fn noted(listed: &[CachedFile]) -> Noted {
    let mut noted = Noted::new();
    for file in listed {
        let (Some(reference), Some(digest)) = (&file.reference, &file.digest) else {
            continue;
        };
        let Some((namespace, image)) = reference
            .strip_prefix(super::IMAGE)
            .and_then(|it| it.split_once(' '))
        else {
            continue;
        };
        if let Ok(image) = Digest::parse(image) {
            let images = noted.entry(namespace.to_owned()).or_default();
            images.push((image, digest.clone()));
        }
    }
    noted
}

/// Those of the noted images that are no longer present, with their artifacts.
fn gone(noted: &[(Digest, Digest)], present: &HashSet<String>) -> Vec<(Digest, Digest)> {
    let is_present = |image: &Digest| present.contains(image.as_str());
    let gone = noted.iter().filter(|(image, _)| !is_present(image));
    gone.cloned().collect()
}

fn metrics(usage: CacheUsage) -> String {
    let mut text = String::new();
    for (name, kind, help, value) in [
        (
            "bytes",
            "gauge",
            "Bytes in the node's cache of components.",
            usage.bytes,
        ),
        (
            "limit_bytes",
            "gauge",
            "How many bytes the cache may hold.",
            usage.bound,
        ),
        (
            "removed_files_total",
            "counter",
            "Files removed from the cache since shoald started.",
            usage.evicted,
        ),
        (
            "removed_bytes_total",
            "counter",
            "Bytes of the files removed from the cache.",
            usage.evicted_bytes,
        ),
    ] {
        text += &format!(
            "# HELP shoal_node_cache_{name} {help}\n# TYPE shoal_node_cache_{name} {kind}\nshoal_node_cache_{name} {value}\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_artifact::CachedKind;
    use std::time::SystemTime;

    fn record(reference: Option<String>, artifact: &str) -> CachedFile {
        CachedFile {
            kind: CachedKind::Record,
            digest: Some(Digest::of(artifact.as_bytes())),
            reference,
            path: "/cache/index/x.json".into(),
            size: 4096,
            used: SystemTime::UNIX_EPOCH,
            in_use: false,
        }
    }

    #[test]
    fn what_is_gone_is_what_containerd_no_longer_lists() {
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        let listed = [
            record(Some(image_key("k8s.io", &one)), "a"),
            record(Some(image_key("k8s.io", &two)), "b"),
            record(Some(image_key("default", &one)), "a"),
            record(Some("registry/web:1".to_owned()), "c"),
            record(None, "d"),
        ];
        let noted = noted(&listed);
        assert_eq!(noted.keys().collect::<Vec<_>>(), ["default", "k8s.io"]);
        let present = HashSet::from([two.to_string()]);
        assert_eq!(gone(&noted["k8s.io"], &present), [(one, Digest::of(b"a"))]);
        assert_eq!(gone(&noted["k8s.io"], &HashSet::new()).len(), 2);
    }

    #[test]
    fn metrics_are_what_prometheus_reads() {
        let usage = CacheUsage {
            bytes: 5,
            bound: 10,
            evicted: 2,
            evicted_bytes: 8192,
        };
        let text = metrics(usage);
        assert!(
            text.contains("# TYPE shoal_node_cache_bytes gauge\nshoal_node_cache_bytes 5\n"),
            "{text}"
        );
        assert!(
            text.ends_with("shoal_node_cache_removed_bytes_total 8192\n"),
            "{text}"
        );
    }
}
