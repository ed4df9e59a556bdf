//! A pod that shows that pods run: brought, started, waited for and removed by CRI alone, in the node's network.

mod image;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use containerd_client::tonic::Status;
use tokio::time::{Instant, sleep};

use crate::cri::{
    ContainerConfig, ContainerId, ContainerMetadata, ContainerStatus, ContainerStatusResponse,
    CreateContainer, Cri, EXITED, Empty, Image, ImageRequest, ImageStatusResponse, ListPods, PodConfig,
    PodFilter, PodId, Pods, RunPod,
};
use crate::error::Error;
use crate::{files, lock, runtime};

const NAMESPACE: &str = "shoal-installer";
/// By this ours are found again, also those of a run that was killed.
pub(crate) const LABEL: (&str, &str) = ("shoal.dev/canary", "true");
/// Below [`lock::FOLDER`]. kubelet, which removes pods that it has not started, removes all files whose names begin with that of a
/// container's log (`containerLogManager.Clean`): of a container without one, all in its working directory, which is `/`.
const LOGS: &str = "canary";
const LOG: &str = "canary.log";
/// kubelet ends pods that it has not started, and may see ours.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

/// Runs it.
pub(crate) async fn run(cri: &Cri, patience: Duration) -> Result<(), Error> {
    let mut outcome = Err(Error::Canary("it was not tried".to_owned()));
    for _ in 0..ATTEMPTS {
        outcome = attempt(cri, patience).await.map_err(Error::Canary);
        clean(cri).await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// Removes what a run has left, as far as it can be.
pub(crate) async fn clean(cri: &Cri) {
    let filter = PodFilter {
        labels: HashMap::from([(LABEL.0.to_owned(), LABEL.1.to_owned())]),
    };
    let list = ListPods { filter: Some(filter) };
    let left: Result<Pods, Status> = cri.runtime("ListPodSandbox", list).await;
    for pod in left.map(|pods| pods.items).unwrap_or_default() {
        let id = PodId { id: pod.id };
        let _tried: Result<Empty, Status> = cri.runtime("StopPodSandbox", id.clone()).await;
        let _tried: Result<Empty, Status> = cri.runtime("RemovePodSandbox", id).await;
    }
    let _tried = image::drop_it(&cri.channel()).await;
    let _left = files::remove_folder(&logs());
}

fn logs() -> PathBuf {
    Path::new(lock::FOLDER).join(LOGS)
}

async fn attempt(cri: &Cri, patience: Duration) -> Result<(), String> {
    let deadline = Instant::now() + patience;
    let said = |doing: &'static str| move |status: Status| format!("{doing}: {}", status.message());
    image::bring(&cri.channel())
        .await
        .map_err(said("its image can't be put into containerd's store"))?;
    let image = Image {
        image: image::NAME.to_owned(),
        said: image::NAME.to_owned(),
    };
    // CRI learns of it by an event.
    loop {
        let request = ImageRequest {
            image: Some(image.clone()),
        };
        let known: ImageStatusResponse = cri
            .images("ImageStatus", request)
            .await
            .map_err(said("its image"))?;
        if known.image.is_some() {
            break;
        }
        wait(deadline, || "CRI does not see its image".to_owned()).await?;
    }
    std::fs::create_dir_all(logs()).map_err(|error| format!("{}: {error}", logs().display()))?;
    let pod_config = PodConfig::of_node("canary", NAMESPACE, LABEL, &logs());
    let run = RunPod {
        config: Some(pod_config.clone()),
        handler: runtime::NAME.to_owned(),
    };
    let pod: PodId = cri
        .runtime("RunPodSandbox", run)
        .await
        .map_err(said("its sandbox"))?;
    let create = CreateContainer {
        pod: pod.id,
        config: Some(ContainerConfig {
            metadata: Some(ContainerMetadata {
                name: "canary".to_owned(),
                attempt: 0,
            }),
            image: Some(image),
            log_path: LOG.to_owned(),
        }),
        pod_config: Some(pod_config),
    };
    let container: ContainerId = cri
        .runtime("CreateContainer", create)
        .await
        .map_err(said("its container can't be created"))?;
    let _started: Empty = cri
        .runtime("StartContainer", container.clone())
        .await
        .map_err(said("its container can't be started"))?;
    loop {
        let answer: ContainerStatusResponse = cri
            .runtime("ContainerStatus", container.clone())
            .await
            .map_err(said("its status"))?;
        let status = answer.status.unwrap_or_default();
        if status.state == EXITED {
            return judge(&status);
        }
        wait(deadline, || {
            format!("it still runs after {} s", patience.as_secs())
        })
        .await?;
    }
}

/// What its end says of the node. Pure.
fn judge(status: &ContainerStatus) -> Result<(), String> {
    match status.exit_code {
        0 => Ok(()),
        code => {
            let words = [status.reason.as_str(), status.message.as_str()];
            let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
            Err(format!("it ended with {code} ({})", words.join(": ")))
        }
    }
}

async fn wait(deadline: Instant, reason: impl FnOnce() -> String) -> Result<(), String> {
    if Instant::now() >= deadline {
        return Err(reason());
    }
    sleep(PAUSE).await;
    Ok(())
}
