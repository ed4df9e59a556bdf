//! A pod with a container `web`, in as few words as a table has room for, and a program in a line of text.

use super::super::decide::{Code, Linked};
use super::super::pod_spec::PodSpec;
use crate::bundle::Bundle;
use crate::error::Error;
use crate::record::{Program, Sandbox};
use serde_json::{Value, json};
use shoal_api::pod::{self, Values};
use shoal_artifact::Digest;
use shoal_description::{Description, Export, Import, ItemKind};
use shoal_protocol::{Role, TaskPart};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

#[derive(Clone)]
pub(super) struct Pod {
    annotations: BTreeMap<String, String>,
    sandbox: Option<BTreeMap<String, String>>,
    mounts: Vec<Value>,
    netns: bool,
    description: Description,
    parts: Vec<Linked>,
    is_part: bool,
}

impl Pod {
    pub(super) fn new() -> Self {
        let annotations = [
            ("io.kubernetes.cri.container-type", "container"),
            ("io.kubernetes.cri.container-name", "web"),
            ("io.kubernetes.cri.image-name", "registry/web:1"),
        ];
        Self {
            annotations: annotations
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            sandbox: Some(BTreeMap::new()),
            mounts: Vec::new(),
            netns: true,
            description: Description::default(),
            parts: Vec::new(),
            is_part: false,
        }
    }

    pub(super) fn says(mut self, key: &str, text: &str) -> Self {
        self.annotations.insert(key.to_owned(), text.to_owned());
        self
    }

    pub(super) fn sandbox_says(mut self, key: &str, text: &str) -> Self {
        let sandbox = self.sandbox.get_or_insert_default();
        sandbox.insert(key.to_owned(), text.to_owned());
        self
    }

    pub(super) fn exports(mut self, names: &[&str]) -> Self {
        let export = |name: &&str| Export {
            name: (*name).to_owned(),
            kind: ItemKind::Interface,
        };
        self.description.exports = names.iter().map(export).collect();
        self
    }

    pub(super) fn imports(mut self, names: &[&str]) -> Self {
        let import = |name: &&str| Import {
            name: (*name).to_owned(),
            kind: ItemKind::Interface,
        };
        self.description.imports = names.iter().map(import).collect();
        self
    }

    pub(super) fn volume(mut self, name: &str, option: &str) -> Self {
        let at = pod::volume_path(name);
        self.mounts
            .push(json!({"destination": at, "source": format!("/host/{name}"), "options": ["bind", option]}));
        self
    }

    pub(super) fn no_netns(mut self) -> Self {
        self.netns = false;
        self
    }

    pub(super) fn no_sandbox(mut self) -> Self {
        self.sandbox = None;
        self
    }

    pub(super) fn no_image(mut self) -> Self {
        self.annotations.remove("io.kubernetes.cri.image-name");
        self
    }

    /// It is another component's part.
    pub(super) fn within_another(mut self) -> Self {
        self.is_part = true;
        self
    }

    /// It has the component `name` in itself, which is granted this.
    pub(super) fn part(mut self, name: &str, grants: &str) -> Self {
        let container = pod::Container {
            name: name.to_owned(),
            ..pod::Container::default()
        };
        let granted = BTreeMap::from([(pod::CAPABILITIES.to_owned(), grants.to_owned())]);
        let component = pod::program(&container, &granted).unwrap().component;
        self.parts.push(Linked {
            task: TaskPart {
                id: format!("{name}-1"),
                component,
                values: Values::default(),
                stores: Vec::new(),
            },
            volumes: BTreeMap::new(),
        });
        self
    }

    pub(super) fn part_volume(mut self, name: &str) -> Self {
        let part = self.parts.last_mut().unwrap();
        part.volumes
            .insert(name.to_owned(), Path::new("/host").join(name));
        self
    }

    pub(super) fn spec(&self) -> Result<PodSpec, Error> {
        let netns = if self.sandbox.is_some() {
            ""
        } else {
            "/bundle/netns"
        };
        let config = json!({
            "ociVersion": "1.2.0",
            "annotations": self.annotations,
            "mounts": self.mounts,
            "linux": {"namespaces": [{"type": "network", "path": netns}]},
        });
        let bundle = Bundle::from(serde_json::from_value::<oci_spec::runtime::Spec>(config).unwrap());
        let sandbox = self.sandbox.as_ref().map(|annotations| Sandbox {
            id: "sandbox".to_owned(),
            namespace: "shop".to_owned(),
            name: "pod".to_owned(),
            netns: self.netns.then(|| "/proc/1/ns/net".into()),
            annotations: annotations.clone(),
            resolv: String::new(),
            created: SystemTime::UNIX_EPOCH,
            stopped: None,
        });
        let spec = PodSpec::read("web-1", Path::new("/bundle"), &bundle, sandbox.as_ref())?;
        assert_eq!(spec.is_part, self.is_part, "whether another has it in itself");
        Ok(spec)
    }

    /// What its artifact would say.
    pub(super) fn code(&self) -> Code {
        let digest = Digest::of(b"web");
        if self.is_part {
            return Code::Part { digest };
        }
        Code::Own {
            digest,
            description: self.description.clone(),
            parts: self.parts.clone(),
        }
    }
}

/// What of a program differs from row to row.
pub(super) fn summary(program: &Program) -> String {
    let task = &program.task;
    let mut words = match &task.role {
        Role::Serve => "serve".to_owned(),
        Role::Handle => "handle".to_owned(),
        Role::Run => "run".to_owned(),
        Role::Part => "part".to_owned(),
        Role::Due { trigger } => format!("due {trigger}"),
    };
    words += &format!(" in {}", program.domain.name);
    if let Some(netns) = &program.domain.netns {
        words += &format!(", netns {}", netns.display());
    } else if program.netns.as_deref() == Some(Path::new("/bundle/netns")) {
        words += ", netns of the bundle";
    }
    if program.domain.directories {
        words += ", directories";
    }
    if let Some(front) = &task.front {
        words += ", answers";
        words.extend(front.iter().map(|(path, name)| format!(" {path} by {name}")));
    }
    for (what, names) in [
        (
            "called by",
            task.triggers
                .iter()
                .map(|it| it.name.as_str())
                .collect::<Vec<_>>(),
        ),
        (
            "with",
            task.parts.iter().map(|it| it.component.name.as_str()).collect(),
        ),
        ("volumes", program.volumes.keys().map(String::as_str).collect()),
        ("stores", task.stores.iter().map(|it| it.name.as_str()).collect()),
    ] {
        if !names.is_empty() {
            words += &format!(", {what} {}", names.join(" "));
        }
    }
    let limits = &task.component.limits;
    let day = Duration::from_secs(86_400);
    if limits.cpu_time.as_std() == day && limits.request_timeout.as_std() == day {
        words += ", a day";
    }
    // A part runs nothing, everything else its own code.
    let code = if task.role == Role::Part {
        String::new()
    } else {
        format!("{}.cwasm", Digest::of(b"web").hex())
    };
    assert_eq!(task.code, code);
    assert_eq!(task.digest, Digest::of(b"web").as_str());
    assert!(
        program.compiled.is_none(),
        "nothing is compiled before it was decided"
    );
    words
}
