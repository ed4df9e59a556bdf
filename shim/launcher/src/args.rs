//! What containerd says on the command line, in the way of Go's `flag` package. Pure.

/// A command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) action: Action,
    pub(crate) id: String,
    pub(crate) namespace: String,
    /// containerd's gRPC socket.
    pub(crate) address: String,
    /// containerd's program.
    pub(crate) publish_binary: String,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Action {
    /// Print the version.
    #[default]
    Version,
    /// Print what this runtime is, for containerd.
    Info,
    /// See to it that the keeper runs, and say where.
    Start,
    /// Clean up after a task.
    Delete,
    /// Be the keeper.
    Keep,
}

/// Why a command line is not understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArgsError {
    #[error("unknown flag {0}: this program is started by containerd; try -v")]
    UnknownFlag(String),
    #[error("the flag {0} needs a value")]
    NoValue(String),
    #[error("unknown action {0:?}: there are start, delete and keep")]
    UnknownAction(String),
    #[error("no action: this program is started by containerd with start or delete; try -v")]
    NoAction,
    #[error("{action} needs the flag -{flag}")]
    Missing {
        action: &'static str,
        flag: &'static str,
    },
}

impl Args {
    /// Reads `words`, without the program's name.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Args, ArgsError> {
        let mut words = words.into_iter();
        let mut args = Args::default();
        let mut action = None;
        while let Some(word) = words.next() {
            // As in Go, the first word that is no flag ends the flags.
            let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                action = Some(match word.as_str() {
                    "start" => Action::Start,
                    "delete" => Action::Delete,
                    "keep" => Action::Keep,
                    _ => return Err(ArgsError::UnknownAction(word)),
                });
                break;
            };
            let (name, mut value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            let mut value = || {
                let value = value.take().or_else(|| words.next());
                value.ok_or_else(|| ArgsError::NoValue(word.clone()))
            };
            match name {
                "v" => action = Some(Action::Version),
                "info" => action = Some(Action::Info),
                "debug" => {}
                "id" => args.id = value()?,
                "namespace" => args.namespace = value()?,
                "address" => args.address = value()?,
                "publish-binary" => args.publish_binary = value()?,
                "bundle" | "socket" | "debug-socket" => drop(value()?),
                _ => return Err(ArgsError::UnknownFlag(word)),
            }
        }
        args.action = action.ok_or(ArgsError::NoAction)?;
        args.complete()
    }

    fn complete(self) -> Result<Args, ArgsError> {
        let action = match self.action {
            Action::Start => "start",
            Action::Delete => "delete",
            Action::Version | Action::Info | Action::Keep => return Ok(self),
        };
        let missing = |flag| Err(ArgsError::Missing { action, flag });
        match (self.namespace.is_empty(), self.id.is_empty()) {
            (true, _) => missing("namespace"),
            (_, true) => missing("id"),
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, ArgsError> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_containerd_says_is_understood() {
        let line = "-namespace k8s.io -address /run/c.sock -publish-binary /usr/bin/containerd -id abc -bundle /b -debug start";
        let wanted = Args {
            action: Action::Start,
            id: "abc".into(),
            namespace: "k8s.io".into(),
            address: "/run/c.sock".into(),
            publish_binary: "/usr/bin/containerd".into(),
        };
        assert_eq!(parse(line), Ok(wanted));
        let delete = parse("--namespace=default --id=x -debug=false delete").expect("understood");
        assert_eq!((delete.action, delete.id.as_str()), (Action::Delete, "x"));
        assert_eq!(parse("-info").expect("understood").action, Action::Info);
        assert_eq!(parse("-v").expect("understood").action, Action::Version);
        assert_eq!(parse("keep").expect("understood").action, Action::Keep);
    }

    #[test]
    fn a_wrong_line_says_what_is_wrong() {
        assert_eq!(parse(""), Err(ArgsError::NoAction));
        assert_eq!(parse("-id"), Err(ArgsError::NoValue("-id".into())));
        assert_eq!(parse("-x start"), Err(ArgsError::UnknownFlag("-x".into())));
        assert_eq!(parse("stop"), Err(ArgsError::UnknownAction("stop".into())));
        let (action, flag) = ("start", "namespace");
        assert_eq!(parse("-id x start"), Err(ArgsError::Missing { action, flag }));
        let (action, flag) = ("delete", "id");
        assert_eq!(
            parse("-namespace x delete"),
            Err(ArgsError::Missing { action, flag })
        );
    }
}
