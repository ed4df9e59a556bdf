//! What the cache gives up beside what it has no room for: what was made of images that kubelet has removed, and files of other builds
//! of the engine.

use super::{Images, image_key};
use crate::containerd::Removals;
use crate::error::Error;
use crate::files;
use crate::node::Node;
use shoal_artifact::{CachedFile, Digest};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Between two looks at all images, where containerd says nothing.
const EVERY: Duration = Duration::from_secs(300);
/// How long to wait for more, once an image is removed: kubelet removes several at a time, each under several names.
const PAUSE: Duration = Duration::from_secs(1);
/// How long to wait for a containerd that doesn't answer.
const AWAY: Duration = Duration::from_secs(15);

/// The images that the cache has something of, by containerd's namespace.
type Noted = BTreeMap<String, Vec<(Digest, Digest)>>;

/// Collects for as long as the daemon lives.
pub(crate) fn start(node: &Arc<Node>) {
    let watching = Arc::clone(node);
    tokio::spawn(async move {
        let images = &watching.images;
        loop {
            // An error, or an end: containerd is away, or was restarted.
            if let Ok(mut removals) = images.store.removals().await {
                // Some may have been removed while nobody listened.
                images.collect_or_warn().await;
                while has_waited(&mut removals).await {
                    images.collect_or_warn().await;
                }
            }
            tokio::time::sleep(AWAY).await;
        }
    });
}

/// Waits until it is time for another look; false where containerd tells nothing any more.
async fn has_waited(removals: &mut Removals) -> bool {
    let mut next = timeout(EVERY, removals.next()).await;
    let looks = Instant::now() + PAUSE * 30;
    while next == Ok(true) && Instant::now() < looks {
        next = timeout(PAUSE, removals.next()).await;
    }
    next != Ok(false)
}

impl Images {
    async fn collect_or_warn(&self) {
        if let Err(error) = self.collect().await {
            tracing::warn!("cannot compare the cache with containerd's images: {error}");
        }
    }

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
}
