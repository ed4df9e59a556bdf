//! What somebody who watches the node can learn from a file: how full the cache is, what logs have lost, what an upgrade left behind. In the
//! text format of Prometheus, for the textfile collector of its node exporter.

use crate::files;
use crate::node::{Node, lock};
use shoal_artifact::CacheUsage;
use shoal_protocol::Usage;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Between two writes.
const EVERY: Duration = Duration::from_secs(15);

/// What is counted for as long as the daemon lives, of containers that may be gone.
#[derive(Default)]
pub(crate) struct Counts {
    log_dropped: AtomicU64,
}

impl Counts {
    /// A container has used `now`, after `before`. Both start from zero where it has moved to another worker.
    pub(crate) fn used(&self, before: &Usage, now: &Usage) {
        let more = now.log_dropped.checked_sub(before.log_dropped);
        let more = more.unwrap_or(now.log_dropped);
        self.log_dropped.fetch_add(more, Ordering::Relaxed);
    }
}

/// What is written down.
#[derive(Debug, Default)]
struct Figures {
    cache: CacheUsage,
    log_dropped: u64,
    /// Of the containers that are there, by pod (`NAMESPACE/POD`) and container.
    containers_log_dropped: BTreeMap<(String, String), u64>,
    in_old_workers: u64,
}

/// Writes them for as long as the daemon lives.
pub(crate) fn start(node: &Arc<Node>) {
    let node = Arc::clone(node);
    tokio::spawn(async move {
        loop {
            if let Err(error) = node.write_metrics().await {
                tracing::warn!("cannot write the node's metrics: {error}");
            }
            tokio::time::sleep(EVERY).await;
        }
    });
}

impl Node {
    async fn write_metrics(&self) -> std::io::Result<()> {
        let mut figures = self.figures().await;
        let cache = self.images.cache.clone();
        let path = self.paths.metrics();
        let write = move || {
            figures.cache = cache.usage().map_err(std::io::Error::other)?;
            let folder = path.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(folder)?;
            let new = path.with_extension("new");
            std::fs::write(&new, figures.text())?;
            std::fs::rename(new, path)
        };
        files::on_the_node(write).await
    }

    async fn figures(&self) -> Figures {
        // An error was told where upgrades begin.
        let build = self.launcher.build().await.ok();
        let mut figures = Figures {
            log_dropped: self.counts.log_dropped.load(Ordering::Relaxed),
            ..Figures::default()
        };
        for entry in self.entries() {
            let Some(program) = &entry.program else { continue };
            let dropped = lock(&entry.usage).log_dropped;
            if dropped > 0 {
                let names = (program.task.pod.clone(), program.task.component.name.clone());
                figures.containers_log_dropped.insert(names, dropped);
            }
            let old = entry
                .worker()
                .filter(|it| Some(&it.record.program) != build.as_ref());
            if build.is_some() && entry.runs() && old.is_some() {
                figures.in_old_workers += 1;
            }
        }
        figures
    }
}

impl Figures {
    fn text(&self) -> String {
        let mut text = String::new();
        let cache = &self.cache;
        for (name, kind, help, value) in [
            (
                "shoal_node_cache_bytes",
                "gauge",
                "Bytes in the node's cache of components.",
                cache.bytes,
            ),
            (
                "shoal_node_cache_limit_bytes",
                "gauge",
                "How many bytes the cache may hold.",
                cache.bound,
            ),
            (
                "shoal_node_cache_removed_files_total",
                "counter",
                "Files removed from the cache since shoald started.",
                cache.evicted,
            ),
            (
                "shoal_node_cache_removed_bytes_total",
                "counter",
                "Bytes of the files removed from the cache.",
                cache.evicted_bytes,
            ),
            (
                "shoal_node_log_dropped_bytes_total",
                "counter",
                "Bytes that components printed and that are not in their logs, since shoald started.",
                self.log_dropped,
            ),
            (
                "shoal_node_containers_in_old_workers",
                "gauge",
                "Containers that run in a worker of another version than the node's.",
                self.in_old_workers,
            ),
        ] {
            text += &head(name, kind, help);
            text += &format!("{name} {value}\n");
        }
        let name = "shoal_container_log_dropped_bytes_total";
        if !self.containers_log_dropped.is_empty() {
            text += &head(
                name,
                "counter",
                "Bytes that a container printed and that are not in its log.",
            );
        }
        for ((pod, container), value) in &self.containers_log_dropped {
            let (namespace, pod) = pod.split_once('/').unwrap_or(("", pod));
            let labels = [("namespace", namespace), ("pod", pod), ("container", container)];
            let labels = labels.map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
            text += &format!("{name}{{{}}} {value}\n", labels.join(","));
        }
        text
    }
}

fn head(name: &str, kind: &str, help: &str) -> String {
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
}

/// A label's value, as the format wants it.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_what_prometheus_reads() {
        let figures = Figures {
            cache: CacheUsage {
                bytes: 5,
                bound: 10,
                evicted: 2,
                evicted_bytes: 8192,
            },
            log_dropped: 7,
            containers_log_dropped: BTreeMap::from([(("shop/web-1".to_owned(), "a\"b".to_owned()), 6)]),
            in_old_workers: 3,
        };
        let text = figures.text();
        for line in [
            "# TYPE shoal_node_cache_bytes gauge\nshoal_node_cache_bytes 5\n",
            "\nshoal_node_cache_removed_bytes_total 8192\n",
            "# TYPE shoal_node_log_dropped_bytes_total counter\nshoal_node_log_dropped_bytes_total 7\n",
            "\nshoal_node_containers_in_old_workers 3\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let last = "shoal_container_log_dropped_bytes_total{namespace=\"shop\",pod=\"web-1\",container=\"a\\\"b\"} 6\n";
        assert!(text.ends_with(last), "{text}");
    }

    #[test]
    fn what_a_log_lost_adds_up_over_containers_and_workers() {
        let counts = Counts::default();
        let usage = |log_dropped| Usage {
            log_dropped,
            ..Usage::default()
        };
        for (before, now) in [(0, 10), (10, 15), (15, 2), (0, 1)] {
            counts.used(&usage(before), &usage(now));
        }
        assert_eq!(counts.log_dropped.load(Ordering::Relaxed), 18);
    }
}
