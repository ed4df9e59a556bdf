//! From a container's bundle to what runs: its artifact is pulled, composed with those that it is linked to, admitted, and compiled. What its pod
//! says is read in `pod_spec`; what follows from both is decided in `decide`.

mod decide;
mod pod_spec;
#[cfg(test)]
mod tests;

use crate::bundle::Bundle;
use crate::error::Error;
use crate::files;
use crate::node::Node;
use crate::record::{Container, Program, Sandbox};
use decide::{Code, Linked, decide};
use pod_spec::PodSpec;
use shoal_artifact::{Artifact, Composed, Member};
use shoal_protocol::{Role, TaskPart};
use std::path::Path;

impl Node {
    /// What runs in a container.
    pub(crate) async fn program(&self, create: &Container, bundle: &Bundle) -> Result<Program, Error> {
        let sandbox = match bundle.sandbox_id() {
            Some(id) => Some(self.sandbox(id)?),
            None => None,
        };
        let spec = PodSpec::read(&create.id, Path::new(&create.bundle), bundle, sandbox.as_ref())?;
        let image = spec.image.clone();
        let (code, artifact) = self.code(&create.namespace, &spec).await?;
        let resolv = resolv(sandbox.as_ref(), bundle).await;
        let mut program = decide(spec, code, resolv)?;
        let mut pins = vec![artifact.pin.clone()];
        if program.task.role != Role::Part {
            let compiled = self.images.compiled(&image, &artifact).await?;
            program.compiled = Some(compiled.path);
            pins.push(compiled.pin);
        }
        self.images.keep(&create.id, pins);
        Ok(program)
    }

    /// What is known of a component before it is compiled, and its artifact; `namespace` is containerd's.
    async fn code(&self, namespace: &str, spec: &PodSpec) -> Result<(Code, Artifact), Error> {
        let artifact = self.images.artifact(namespace, &spec.image).await?;
        if spec.is_part {
            let digest = artifact.digest.clone();
            return Ok((Code::Part { digest }, artifact));
        }
        let (artifact, parts) = self.linked(spec, artifact).await?;
        let code = Code::Own {
            digest: artifact.digest.clone(),
            description: self.images.described(&spec.image, &artifact).await?,
            parts,
        };
        Ok((code, artifact))
    }

    /// Composes a component with those of its pod that it is linked to, whose containers are there already: the whole, and the others
    /// in the order of their places.
    async fn linked(&self, spec: &PodSpec, artifact: Artifact) -> Result<(Artifact, Vec<Linked>), Error> {
        let component = &spec.component;
        if component.links.is_empty() {
            return Ok((artifact, Vec::new()));
        }
        // Not those whose container was made anew since.
        let others = self.of_pod(&spec.sandbox).into_iter().filter(|it| it.runs());
        let others: Vec<_> = others
            .map(|entry| entry.get())
            .filter_map(|container| Some((container.namespace, container.program?)))
            .filter(|(_, program)| program.task.component.name != component.name)
            .collect();
        let mut artifacts = Vec::new();
        for (namespace, program) in &others {
            let image = program.task.component.image.as_deref().unwrap_or_default();
            artifacts.push(self.images.artifact(namespace, image).await?);
        }
        let mut members = vec![Member {
            component,
            artifact: &artifact,
        }];
        members.extend(
            others
                .iter()
                .zip(&artifacts)
                .map(|((_, program), artifact)| Member {
                    component: &program.task.component,
                    artifact,
                }),
        );
        let Composed { artifact, places } = self.images.composed(&members).await?;
        let parts = places.into_iter().filter_map(|at| others.get(at.checked_sub(1)?));
        let parts = parts.map(|(_, program)| part(program));
        Ok((artifact, parts.collect()))
    }
}

fn part(program: &Program) -> Linked {
    let task = &program.task;
    Linked {
        task: TaskPart {
            id: task.id.clone(),
            component: task.component.clone(),
            values: task.values.clone(),
            stores: task.stores.clone(),
        },
        volumes: program.volumes.clone(),
    }
}

/// The pod's resolv.conf: it comes with the sandbox, or as a file that is mounted into the container.
async fn resolv(sandbox: Option<&Sandbox>, bundle: &Bundle) -> String {
    if let Some(sandbox) = sandbox.filter(|sandbox| !sandbox.resolv.is_empty()) {
        return sandbox.resolv.clone();
    }
    let Some(path) = bundle.mount("/etc/resolv.conf") else {
        return String::new();
    };
    let read = files::on_the_node(move || std::fs::read_to_string(path));
    read.await.unwrap_or_default()
}
