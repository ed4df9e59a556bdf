//! Why a command failed, and the exit code that says so.

use crate::text;
use serde_json::{Value, json};
use shoal_api::Problem;
use shoal_artifact::ArtifactError;
use shoal_compile::CompileError;
use shoal_fleet::FleetError;
use shoal_service::ServiceError;

/// A command that failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Manifests with mistakes.
    Manifest(Vec<Problem>),
    /// Arguments that fit the grammar but make no sense.
    Usage(String),
    /// Services on a cluster that are not ready.
    NotReady {
        message: String,
        /// What the cluster knows of each, for programs.
        services: Value,
    },
    /// Anything else.
    Other(String),
    /// The reader of our output has gone, which is no news to anybody.
    Unread,
}

impl Failure {
    pub(crate) fn new(error: impl std::fmt::Display) -> Self {
        Self::Other(error.to_string())
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Manifest(_) | Self::Usage(_) => 2,
            Self::NotReady { .. } | Self::Other(_) | Self::Unread => 1,
        }
    }

    /// What is wrong, as it was said: not yet fit for a terminal.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Manifest(problems) => lines(problems, Problem::to_string),
            Self::Usage(message) | Self::Other(message) | Self::NotReady { message, .. } => message.clone(),
            Self::Unread => String::new(),
        }
    }

    /// The lines for people. A mistake in a manifest begins with its place, so that editors find it.
    pub(crate) fn text(&self, error: &str) -> String {
        match self {
            Self::Manifest(problems) => lines(problems, |it| text::block(&it.to_string())),
            _ => format!("{error} {}", text::block(&self.message())),
        }
    }

    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Manifest(problems) => {
                let count = problems.len();
                let error = if count == 1 {
                    "1 problem".to_owned()
                } else {
                    format!("{count} problems")
                };
                json!({ "error": format!("{error} in the manifest"), "problems": problems })
            }
            Self::NotReady { message, services } => {
                let first = message.lines().next();
                json!({ "error": first, "services": services })
            }
            Self::Usage(message) | Self::Other(message) => json!({ "error": message }),
            Self::Unread => Value::Null,
        }
    }

    /// Several failures as one.
    pub(crate) fn all(mut failures: Vec<Self>) -> Self {
        if failures.len() == 1
            && let Some(only) = failures.pop()
        {
            return only;
        }
        let message = failures.iter().map(Self::message).collect::<Vec<_>>().join("\n");
        let problems = |failure| match failure {
            Self::Manifest(problems) => Some(problems),
            _ => None,
        };
        let problems: Option<Vec<_>> = failures.into_iter().map(problems).collect();
        problems.map_or(Self::Other(message), |it| Self::Manifest(it.concat()))
    }
}

fn lines(problems: &[Problem], line: impl Fn(&Problem) -> String) -> String {
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Manifest(problems) => Self::Manifest(problems),
            other => Self::Other(option(other.to_string())),
        }
    }
}

impl From<FleetError> for Failure {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::Links(errors) => Self::all(errors.into_iter().map(Self::from).collect()),
            other => Self::Other(other.to_string()),
        }
    }
}

/// Libraries say what to allow; here is how.
fn option(mut message: String) -> String {
    if message.contains("allow plain HTTP") {
        message.push_str("\nfor this: --plain-http HOST");
    }
    message
}

impl From<ArtifactError> for Failure {
    fn from(error: ArtifactError) -> Self {
        match error.root() {
            ArtifactError::InvalidReference { .. } => Self::Usage(error.to_string()),
            _ => Self::Other(option(error.to_string())),
        }
    }
}

impl From<CompileError> for Failure {
    fn from(error: CompileError) -> Self {
        Self::new(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(field: &str) -> Problem {
        Problem {
            source: Some("a.yaml:3:5".to_owned()),
            field: field.to_owned(),
            message: "is missing".to_owned(),
            hint: Some("write it".to_owned()),
        }
    }

    #[test]
    fn every_mistake_in_a_manifest_is_a_line_with_its_place() {
        let failure = Failure::Manifest(vec![problem("spec.components"), problem("metadata.name")]);
        assert_eq!(
            failure.text("error:"),
            "a.yaml:3:5: spec.components: is missing (write it)\na.yaml:3:5: metadata.name: is missing (write it)"
        );
        assert_eq!(failure.code(), 2);
        let json = failure.json();
        assert_eq!(json["error"], "2 problems in the manifest");
        assert_eq!(json["problems"][1]["field"], "metadata.name");
    }

    #[test]
    fn other_failures_are_one_error_and_exit_1() {
        let failure = Failure::all(vec![
            Failure::new("no route"),
            Failure::Manifest(vec![problem("spec")]),
        ]);
        assert_eq!(
            failure.text("error:"),
            "error: no route\n    a.yaml:3:5: spec: is missing (write it)"
        );
        assert_eq!(failure.code(), 1);
        assert_eq!(Failure::Usage("x".to_owned()).json(), json!({ "error": "x" }));
    }
}
