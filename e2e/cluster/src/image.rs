//! The two images that a cluster has from the start: `pause:1`, which keeps the namespaces of runc's pods, and `busybox:1`, which
//! tests use as a client. Made here, since nothing is pulled from outside.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use oci_client::client::{Client, ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::manifest::{IMAGE_CONFIG_MEDIA_TYPE, IMAGE_LAYER_MEDIA_TYPE};
use oci_client::secrets::RegistryAuth;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::toolset::Programs;

/// Debian's `busybox-static`.
const BUSYBOX: &str = "/bin/busybox";

/// An image of one layer.
struct Image {
    name: &'static str,
    /// The tar archive.
    layer: Vec<u8>,
    entrypoint: &'static [&'static str],
    command: &'static [&'static str],
}

/// Pushes both to the registry.
pub(crate) fn push(registry: &str, programs: &Programs) -> anyhow::Result<()> {
    // The client insists on one, though nothing is encrypted here. It may have been chosen already.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let images = [pause(&programs.find("pause")?)?, busybox()?];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for image in images {
        let name = image.name;
        runtime
            .block_on(image.push(registry))
            .with_context(|| format!("the image {name} can't be pushed to {registry}"))?;
    }
    Ok(())
}

fn pause(program: &Path) -> anyhow::Result<Image> {
    let mut layer = Layer::default();
    layer.program("pause", program)?;
    Ok(Image {
        name: "pause:1",
        layer: layer.finish()?,
        entrypoint: &["/pause"],
        command: &[],
    })
}

fn busybox() -> anyhow::Result<Image> {
    let listed = Command::new(BUSYBOX).arg("--list").output();
    let listed = listed.with_context(|| format!("{BUSYBOX} can't be run: apt-get install busybox-static"))?;
    if !listed.status.success() {
        bail!("{BUSYBOX} --list ended with {}", listed.status);
    }
    let mut layer = Layer::default();
    layer.folder("bin", 0o755)?;
    layer.folder("tmp", 0o1777)?;
    layer.folder("etc", 0o755)?;
    layer.file(
        "etc/passwd",
        0o644,
        b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
    )?;
    layer.file("etc/group", 0o644, b"root:x:0:\nnogroup:x:65534:\n")?;
    layer.program("bin/busybox", Path::new(BUSYBOX))?;
    for applet in String::from_utf8_lossy(&listed.stdout).lines() {
        if applet != "busybox" {
            layer.link(&format!("bin/{applet}"), "busybox")?;
        }
    }
    Ok(Image {
        name: "busybox:1",
        layer: layer.finish()?,
        entrypoint: &[],
        command: &["sh"],
    })
}

/// A tar archive, byte for byte the same for the same content.
#[derive(Default)]
struct Layer {
    builder: Option<tar::Builder<Vec<u8>>>,
}

impl Layer {
    fn append(
        &mut self,
        path: &str,
        kind: tar::EntryType,
        mode: u32,
        target: Option<&str>,
        content: &[u8],
    ) -> std::io::Result<()> {
        let builder = self.builder.get_or_insert_with(|| tar::Builder::new(Vec::new()));
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        match target {
            Some(target) => builder.append_link(&mut header, path, target),
            None => builder.append_data(&mut header, path, content),
        }
    }

    fn folder(&mut self, path: &str, mode: u32) -> std::io::Result<()> {
        self.append(&format!("{path}/"), tar::EntryType::Directory, mode, None, &[])
    }

    fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> std::io::Result<()> {
        self.append(path, tar::EntryType::Regular, mode, None, content)
    }

    fn link(&mut self, path: &str, target: &str) -> std::io::Result<()> {
        self.append(path, tar::EntryType::Symlink, 0o777, Some(target), &[])
    }

    fn program(&mut self, path: &str, from: &Path) -> anyhow::Result<()> {
        let content = fs::read(from).with_context(|| format!("{} can't be read", from.display()))?;
        Ok(self.file(path, 0o755, &content)?)
    }

    fn finish(self) -> std::io::Result<Vec<u8>> {
        self.builder
            .map_or_else(|| Ok(Vec::new()), tar::Builder::into_inner)
    }
}

impl Image {
    async fn push(self, registry: &str) -> anyhow::Result<()> {
        let config = json!({
            "architecture": go_architecture(), "os": "linux",
            "config": {
                "Entrypoint": self.entrypoint, "Cmd": self.command, "Env": ["PATH=/bin"], "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex::encode(Sha256::digest(&self.layer)))]},
        });
        let client = Client::new(ClientConfig {
            protocol: ClientProtocol::Http,
            use_monolithic_push: true,
            ..ClientConfig::default()
        });
        let reference = format!("{registry}/{}", self.name).parse()?;
        let layer = ImageLayer::new(self.layer, IMAGE_LAYER_MEDIA_TYPE.to_owned(), None);
        let config = Config::new(
            serde_json::to_vec(&config)?,
            IMAGE_CONFIG_MEDIA_TYPE.to_owned(),
            None,
        );
        let auth = RegistryAuth::Anonymous;
        client.push(&reference, &[layer], config, &auth, None).await?;
        Ok(())
    }
}

/// This machine's architecture, by the name that images have for it.
fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
