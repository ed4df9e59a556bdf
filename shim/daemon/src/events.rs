//! Events for containerd (`containerd.services.events.ttrpc.v1.Events`): that a task was created, started, killed for want of memory,
//! ended, deleted. They wait in order while containerd is away.

use crate::containerd;
use crate::paths::Paths;
use containerd_shim_protos::protobuf::well_known_types::any::Any;
use containerd_shim_protos::protobuf::well_known_types::timestamp::Timestamp;
use containerd_shim_protos::protobuf::{MessageField, MessageFull};
use containerd_shim_protos::shim::event::Envelope;
use containerd_shim_protos::shim::events::ForwardRequest;
use containerd_shim_protos::shim_async::{Client, EventsClient};
use containerd_shim_protos::ttrpc::context;
use std::time::Duration;
use tokio::sync::mpsc;

/// Events that wait for containerd. A node has a few hundred tasks, each with five events in its life.
const QUEUE: usize = 16 << 10;
/// How long containerd may take for one event.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// Where events go in.
#[derive(Clone)]
pub(crate) struct Events(mpsc::Sender<Envelope>);

impl Events {
    /// Starts to forward.
    pub(crate) fn start(paths: Paths) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Envelope>(QUEUE);
        tokio::spawn(async move {
            let mut client = None;
            while let Some(envelope) = receiver.recv().await {
                forward(&paths, &mut client, &envelope).await;
            }
        });
        Self(sender)
    }

    /// An event of containerd's `namespace`; `topic` as containerd names it.
    pub(crate) fn send(&self, namespace: &str, topic: &str, event: &impl MessageFull) {
        let envelope = Envelope {
            timestamp: MessageField::some(Timestamp::now()),
            namespace: namespace.to_owned(),
            topic: topic.to_owned(),
            event: MessageField::some(any(event)),
            ..Envelope::default()
        };
        if self.0.try_send(envelope).is_err() {
            tracing::error!(
                topic,
                "containerd has not taken {QUEUE} events: one more is dropped"
            );
        }
    }
}

/// Until it was taken. What containerd refuses is told once and dropped.
async fn forward(paths: &Paths, client: &mut Option<EventsClient>, envelope: &Envelope) {
    let request = ForwardRequest {
        envelope: MessageField::some(envelope.clone()),
        ..ForwardRequest::default()
    };
    let mut told = false;
    loop {
        match try_forward(paths, client, &request).await {
            Ok(()) => return,
            Err(error) if !told => {
                told = true;
                tracing::warn!(topic = envelope.topic, "containerd does not take events: {error}");
            }
            Err(_) => {}
        }
        *client = None;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn try_forward(
    paths: &Paths,
    client: &mut Option<EventsClient>,
    request: &ForwardRequest,
) -> anyhow::Result<()> {
    let connected = match client {
        Some(client) => client,
        None => {
            let address = containerd::now(paths)?.ttrpc_address;
            let address = if address.contains("://") {
                address
            } else {
                format!("unix://{address}")
            };
            client.insert(EventsClient::new(Client::connect(&address).await?))
        }
    };
    let timeout = i64::try_from(TIMEOUT.as_nanos()).unwrap_or(i64::MAX);
    connected.forward(context::with_timeout(timeout), request).await?;
    Ok(())
}

/// A message in the envelope that containerd's typeurl expects: the bare name, without `type.googleapis.com/`.
pub(crate) fn any<M: MessageFull>(message: &M) -> Any {
    Any {
        type_url: M::descriptor().full_name().to_owned(),
        // Writing to memory cannot fail.
        value: message.write_to_bytes().unwrap_or_default(),
        ..Any::default()
    }
}
