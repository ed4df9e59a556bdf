//! `Problem`: one mistake in a manifest, said so that its author can mend it. And `Path`, which names a field.

use std::fmt;

use serde::Serialize;

/// One mistake: where, what is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file, with line and column where they are known: `greeter.yaml:12:5`. Absent for what did not come from a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The field, as Kubernetes writes it: `spec.components[1].limits.memory`. Empty for the document as a whole.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do, where the message does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(path: &Path, message: impl Into<String>) -> Self {
        Self {
            source: None,
            field: path.to_string(),
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn at(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in self
            .source
            .iter()
            .chain((!self.field.is_empty()).then_some(&self.field))
        {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// One step from a value to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Field(String),
    Index(usize),
}

/// The way from a document to a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<Step>);

impl Path {
    pub(crate) fn field(&self, name: &str) -> Self {
        self.then(Step::Field(name.to_owned()))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    pub(crate) fn join(&self, rest: &Self) -> Self {
        Self(self.0.iter().chain(&rest.0).cloned().collect())
    }

    /// The path that [`fmt::Display`] wrote.
    pub(crate) fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end;
            if let Some(bracketed) = rest.strip_prefix('[') {
                // A key may hold brackets of its own; none that Kubernetes admits does.
                end = bracketed.find(']').unwrap_or(bracketed.len());
                steps.push(match bracketed[..end].parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) => Step::Field(bracketed[..end].to_owned()),
                });
                rest = bracketed[end..].trim_start_matches(']');
            } else {
                let name = rest.trim_start_matches('.');
                end = name.find(['.', '[']).unwrap_or(name.len());
                steps.push(Step::Field(name[..end].to_owned()));
                rest = &name[end..];
            }
        }
        Self(steps)
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                // As Kubernetes writes keys of labels, annotations and data.
                Step::Field(name) if name.contains(['.', '/', '[', ' ']) => write!(f, "[{name}]")?,
                Step::Field(name) if position == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}
