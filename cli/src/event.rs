//! What happens while services run, as data with two forms: a line of text and a JSON object. Who writes them is `console`.

use crate::output::Paint;
use crate::text;
use serde::Serialize;
use std::borrow::Cow;
use std::sync::Arc;

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Event {
    /// A component printed a line.
    Log {
        #[serde(flatten, serialize_with = "shared")]
        origin: Arc<Origin>,
        request: String,
        stream: Stream,
        #[serde(serialize_with = "lossy")]
        line: Vec<u8>,
    },
    /// Output of a component was thrown away.
    Dropped {
        #[serde(flatten, serialize_with = "shared")]
        origin: Arc<Origin>,
        bytes: u64,
        reason: &'static str,
    },
    /// Something that the program itself has to say, by `tracing`.
    Message(Box<Message>),
    /// A service answers.
    Listening {
        service: String,
        url: String,
        routes: Vec<Route>,
    },
    /// A service is ready, and nothing calls it.
    Idle { service: String },
    /// A service is ready, and messages or points in time call it.
    Waiting { service: String, triggers: Vec<String> },
    /// What a trigger has counted since it was started, each count by its name.
    Counted {
        service: String,
        trigger: String,
        #[serde(serialize_with = "named")]
        counts: Vec<(&'static str, u64)>,
    },
    /// A service answers by its changed manifest or components.
    Reloaded { service: String },
    /// A change could not be taken over.
    Kept { error: String },
    /// A service is no longer in the manifests.
    Removed { service: String },
    /// The program was asked to end.
    Stopping,
    /// The time for requests in flight is over.
    Cut { service: String, grace: String },
}

/// A component of a service.
#[derive(Debug, Serialize)]
pub(crate) struct Origin {
    pub(crate) service: String,
    pub(crate) component: String,
}

/// Which stream a component wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// A path and who answers below it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Route {
    pub(crate) path: String,
    pub(crate) component: String,
}

/// An event of `tracing`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Message {
    pub(crate) level: &'static str,
    pub(crate) target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) component: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<String>,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub(crate) fields: serde_json::Map<String, serde_json::Value>,
}

fn shared<S: serde::Serializer>(origin: &Arc<Origin>, serializer: S) -> Result<S::Ok, S::Error> {
    origin.as_ref().serialize(serializer)
}

fn named<S: serde::Serializer>(counts: &[(&str, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter().copied())
}

fn lossy<S: serde::Serializer>(line: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(line))
}

impl Event {
    /// Where it is written: what services say and where they listen is the command's output, the rest is about it.
    pub(crate) fn stream(&self) -> Stream {
        match self {
            Self::Log { stream, .. } => *stream,
            Self::Listening { .. }
            | Self::Idle { .. }
            | Self::Waiting { .. }
            | Self::Reloaded { .. }
            | Self::Removed { .. } => Stream::Stdout,
            _ => Stream::Stderr,
        }
    }

    /// About how many bytes it takes while it waits to be written.
    pub(crate) fn size(&self) -> usize {
        let text = match self {
            Self::Log { line, .. } => line.len(),
            Self::Message(message) => message.message.len(),
            _ => 0,
        };
        text + 128
    }

    /// One line, or several of which all but the first are indented; without a line break at its end.
    pub(crate) fn text(&self, paint: Paint) -> String {
        match self {
            Self::Log {
                origin,
                request,
                line,
                ..
            } => {
                let from = format!("{}/{} {request} |", origin.service, origin.component);
                format!("{} {}", paint.dim(&from), text::line(line))
            }
            Self::Dropped {
                origin: from,
                bytes,
                reason,
            } => {
                let warning = paint.yellow("warning:");
                format!(
                    "{warning} {}/{}: {bytes} bytes of output dropped: {reason}",
                    from.service, from.component
                )
            }
            Self::Message(message) => message.text(paint),
            Self::Listening { service, url, routes } => {
                let mut text = format!("{}  listening on {url}", paint.bold(service));
                let width = routes.iter().map(|it| it.path.chars().count()).max().unwrap_or(0);
                for Route { path, component } in routes {
                    text.push_str(&format!("\n    {path:width$}  {component}"));
                }
                text
            }
            Self::Idle { service } => {
                format!(
                    "{}  ready, but without a trigger: nothing calls it",
                    paint.bold(service)
                )
            }
            Self::Waiting { service, triggers } => {
                format!("{}  waits for {}", paint.bold(service), triggers.join(", "))
            }
            Self::Counted {
                service,
                trigger,
                counts,
            } => {
                let counts = counts.iter().filter(|(_, count)| *count > 0);
                let counts: Vec<_> = counts.map(|(name, count)| format!("{count} {name}")).collect();
                format!("{}  {trigger}: {}", paint.bold(service), counts.join(", "))
            }
            Self::Reloaded { service } => format!("{}  reloaded", paint.bold(service)),
            Self::Kept { error } => {
                let what = "what ran before goes on";
                format!(
                    "{} not taken over, {what}:\n    {}",
                    paint.red("error:"),
                    text::block(error)
                )
            }
            Self::Removed { service } => format!("{}  removed", paint.bold(service)),
            Self::Stopping => {
                "stopping: requests in flight are finished; once more to stop at once".to_owned()
            }
            Self::Cut { service, grace } => {
                format!(
                    "{} {service}: requests were not done within {grace} and were cut off",
                    paint.yellow("warning:")
                )
            }
        }
    }
}

impl Message {
    fn text(&self, paint: Paint) -> String {
        let level: Cow<'_, str> = match self.level {
            "ERROR" => paint.red("error:"),
            "WARN" => paint.yellow("warning:"),
            "INFO" => "info:".into(),
            "DEBUG" => "debug:".into(),
            _ => "trace:".into(),
        };
        let mut out = level.into_owned();
        if let Some(service) = &self.service {
            out.push_str(&format!(" {}", text::line(service.as_bytes())));
            for part in [
                self.component.as_ref().map(|it| format!("/{it}")),
                self.request.as_ref().map(|it| format!(" {it}")),
            ] {
                out.push_str(&text::line(part.unwrap_or_default().as_bytes()));
            }
            out.push_str(" |");
        }
        out.push(' ');
        out.push_str(&text::block(&self.message));
        for (name, value) in &self.fields {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            out.push_str(&format!(" {name}={}", text::line(value.as_bytes())));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Arc<Origin> {
        Arc::new(Origin {
            service: "greeter".to_owned(),
            component: "web".to_owned(),
        })
    }

    #[test]
    fn a_line_names_service_component_and_request_in_both_forms() {
        let line = b"hi \x1b[31m\xff".to_vec();
        let event = Event::Log {
            origin: origin(),
            request: "0a".to_owned(),
            stream: Stream::Stderr,
            line,
        };
        assert_eq!(event.text(Paint::PLAIN), "greeter/web 0a | hi \\x1b[31m\u{fffd}");
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"event":"log","service":"greeter","component":"web","request":"0a","stream":"stderr","line":"hi \u001b[31m�"}"#
        );
        assert_eq!(event.stream(), Stream::Stderr);
    }

    #[test]
    fn where_a_service_listens_can_be_found_by_a_script() {
        let routes = vec![
            Route {
                path: "/".to_owned(),
                component: "web".to_owned(),
            },
            Route {
                path: "/greet".to_owned(),
                component: "greeter".to_owned(),
            },
        ];
        let url = "http://127.0.0.1:3000".to_owned();
        let event = Event::Listening {
            service: "greeter".to_owned(),
            url,
            routes,
        };
        assert_eq!(
            event.text(Paint::PLAIN),
            "greeter  listening on http://127.0.0.1:3000\n    /       web\n    /greet  greeter"
        );
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(
            (&json["event"], &json["url"]),
            (&"listening".into(), &"http://127.0.0.1:3000".into())
        );
        assert_eq!(event.stream(), Stream::Stdout);
    }

    #[test]
    fn counts_are_named_and_those_of_nothing_are_for_programs_alone() {
        let event = Event::Counted {
            service: "worker".to_owned(),
            trigger: "jobs".to_owned(),
            counts: vec![("calls", 3), ("failed", 0), ("dropped", 2)],
        };
        assert_eq!(event.text(Paint::PLAIN), "worker  jobs: 3 calls, 2 dropped");
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"event":"counted","service":"worker","trigger":"jobs","counts":{"calls":3,"failed":0,"dropped":2}}"#
        );
        assert_eq!(event.stream(), Stream::Stderr);
    }

    #[test]
    fn a_warning_of_a_service_cannot_forge_another() {
        let message = Message {
            level: "WARN",
            target: "shoal_service".to_owned(),
            service: Some("greeter".to_owned()),
            component: Some("web".to_owned()),
            request: Some("0a".to_owned()),
            message: "trap: x\nwarning: y".to_owned(),
            ..Message::default()
        };
        let event = Event::Message(Box::new(message));
        assert_eq!(
            event.text(Paint::PLAIN),
            "warning: greeter/web 0a | trap: x\n    warning: y"
        );
        assert_eq!(
            serde_json::to_value(&event).unwrap()["message"],
            "trap: x\nwarning: y"
        );
    }
}
