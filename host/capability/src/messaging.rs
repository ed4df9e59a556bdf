//! `shoal:service/messaging`: messages to the channels that the manifest lists under `capabilities.messaging`. How a Redis is reached
//! is in `shoal-redis`.

use crate::{Grants, RequestId, TRACEPARENT, TRACESTATE, Trace};
use shoal_redis::{Client, Cmd, Error, cmd};
use std::fmt;
use std::sync::Arc;
use wasmtime::component::HasData;

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package shoal:host;
            world messaging {
                import shoal:service/messaging@0.1.0;
            }
        ",
        imports: { default: async | trappable },
    });

    pub(crate) use self::shoal::service::messaging;
}

use bindings::messaging::Error as Unsent;

/// Bytes of one message, as of a value in a store.
const MOST: usize = 1 << 20;

/// A channel that a component may publish to.
#[derive(Clone)]
pub struct Channel {
    /// The server.
    pub client: Arc<Client>,
    /// What is done there.
    pub sending: Sending,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// It goes to those who listen now: `PUBLISH`.
    Publish,
    /// It becomes an entry of a stream: `XADD`.
    Append {
        /// About how many entries the stream keeps; none for all.
        max_length: Option<u32>,
    },
}

impl Sending {
    /// The command that sends `payload` to `channel`.
    /// An entry takes the trace along in fields, as a request does in headers; what is published has no place for it.
    fn command(self, channel: &str, payload: &[u8], trace: Option<&Trace>) -> Cmd {
        match self {
            Self::Publish => {
                let mut publish = cmd("PUBLISH");
                publish.arg(channel).arg(payload);
                publish
            }
            Self::Append { max_length } => {
                let mut append = cmd("XADD");
                append.arg(channel);
                if let Some(most) = max_length {
                    append.arg("MAXLEN").arg("~").arg(most);
                }
                append.arg("*").arg("payload").arg(payload);
                if let Some(trace) = trace {
                    append.arg(TRACEPARENT).arg(trace.child().to_string());
                    if let Some(state) = trace.state() {
                        append.arg(TRACESTATE).arg(state);
                    }
                }
                append
            }
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({:?} at {})", self.sending, self.client.place())
    }
}

pub(crate) struct HasMessaging;

impl HasData for HasMessaging {
    type Data<'a> = Messaging<'a>;
}

pub(crate) struct Messaging<'a> {
    pub(crate) request: RequestId,
    pub(crate) trace: Option<&'a Trace>,
    pub(crate) grants: &'a Grants,
}

impl Messaging<'_> {
    async fn send(&self, channel: &str, payload: &[u8]) -> Result<(), Unsent> {
        let Some(granted) = self.grants.channels.get(channel) else {
            let name: String = channel.chars().take(253).collect();
            let why = format!(
                "no channel {name:?} is granted; add it under capabilities.messaging: {{channel: {name:?}, redis: {{url: URL}}}}"
            );
            self.grants.report.refused(self.request, "messaging", &why);
            return Err(Unsent::Denied(why));
        };
        if payload.len() > MOST {
            return Err(Unsent::TooLarge(MOST as u64));
        }
        let command = granted.sending.command(channel, payload, self.trace);
        // Not repeatable: whether a message may come twice is for the component to decide.
        let sent = granted.client.run(channel.as_bytes(), &command, false).await;
        sent.map(drop).map_err(|error| match error {
            Error::Broken { .. } | Error::Slow { .. } | Error::Odd { .. } => {
                Unsent::Unknown(error.to_string())
            }
            error => Unsent::Unsent(error.to_string()),
        })
    }
}

impl bindings::messaging::Host for Messaging<'_> {
    async fn publish(&mut self, channel: String, payload: Vec<u8>) -> wasmtime::Result<Result<(), Unsent>> {
        Ok(self.send(&channel, &payload).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GrantsBuilder;
    use shoal_redis::{Address, Options};

    fn packed(sending: Sending) -> String {
        traced(sending, None)
    }

    fn traced(sending: Sending, trace: Option<&Trace>) -> String {
        String::from_utf8(sending.command("jobs", b"one", trace).get_packed_command()).expect("text")
    }

    #[test]
    fn a_message_is_published_or_becomes_an_entry() {
        assert_eq!(
            packed(Sending::Publish),
            "*3\r\n$7\r\nPUBLISH\r\n$4\r\njobs\r\n$3\r\none\r\n"
        );
        let all = packed(Sending::Append { max_length: None });
        assert!(all.starts_with("*5\r\n$4\r\nXADD\r\n"), "{all:?}");
        let some = packed(Sending::Append { max_length: Some(10) });
        assert!(some.contains("MAXLEN\r\n$1\r\n~\r\n$2\r\n10\r\n"), "{some:?}");
    }

    #[test]
    fn an_entry_takes_the_trace_along() {
        let trace = Trace::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let trace = trace.expect("valid").with_state(["a=1"]);
        let append = Sending::Append { max_length: None };
        let sent = traced(append, Some(&trace));
        let parent =
            "payload\r\n$3\r\none\r\n$11\r\ntraceparent\r\n$55\r\n00-4bf92f3577b34da6a3ce929d0e0e4736-";
        assert!(sent.contains(parent), "{sent:?}");
        assert!(
            sent.ends_with("-01\r\n$10\r\ntracestate\r\n$3\r\na=1\r\n"),
            "{sent:?}"
        );
        assert!(!sent.contains("00f067aa0ba902b7"), "a span of its own: {sent:?}");
        assert_eq!(traced(Sending::Publish, Some(&trace)), packed(Sending::Publish));
    }

    #[tokio::test]
    async fn what_is_not_granted_is_denied_with_the_line_that_grants_it() {
        // Port 1: nobody listens there, so whatever reached for the server would be told so.
        let address = Address::parse("redis://127.0.0.1:1").expect("a URL");
        let channel = Channel {
            client: Arc::new(Client::new(address, Options::default()).expect("a client")),
            sending: Sending::Publish,
        };
        let grants = GrantsBuilder {
            channels: [("jobs".to_owned(), channel)].into(),
            ..GrantsBuilder::default()
        };
        let grants = grants.build().expect("grants");
        let messaging = Messaging {
            request: RequestId(1),
            trace: None,
            grants: &grants,
        };
        match messaging.send("orders", b"x").await {
            Err(Unsent::Denied(why)) => assert!(
                why.contains("capabilities.messaging: {channel: \"orders\""),
                "{why}"
            ),
            other => panic!("{other:?}"),
        }
        let large = vec![0; MOST + 1];
        assert!(matches!(
            messaging.send("jobs", &large).await,
            Err(Unsent::TooLarge(limit)) if limit == MOST as u64
        ));
        match messaging.send("jobs", b"x").await {
            Err(Unsent::Unsent(why)) => assert!(why.contains("127.0.0.1:1"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}
