//! `shoal new`: a project to start from. What is in it is in `templates`.

mod templates;

use crate::Outcome;
use crate::console::Console;
use crate::failure::Failure;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use templates::Template;

/// Start a project: code, manifest, and how to run it
#[derive(Args, Debug)]
pub(crate) struct New {
    /// The folder, which is made. Its name is that of the service
    folder: PathBuf,
    /// The language, and for what
    #[arg(short, long, value_enum)]
    template: Template,
}

pub(crate) fn new(options: New, console: &Console) -> Outcome {
    let New { folder, template } = options;
    let name = name(&folder).map_err(Failure::Usage)?;
    if folder.read_dir().is_ok_and(|mut it| it.next().is_some()) {
        return Err(Failure::Usage(format!("{} is not empty", folder.display())));
    }
    let files = template.files(&name);
    for (path, content) in &files {
        write(&folder.join(path), content)
            .map_err(|error| Failure::Other(format!("{}: {error}", folder.join(path).display())))?;
    }
    let paths: Vec<_> = files.iter().map(|(path, _)| path).collect();
    let value = json!({ "name": name, "folder": folder, "files": paths });
    console.result(&value, || {
        format!(
            "{name}  made in {0}; {0}/README.md says how to go on\n",
            folder.display()
        )
    })
}

fn write(path: &Path, content: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, content)
}

/// The name of the service, which is a package of its language too.
fn name(folder: &Path) -> Result<String, String> {
    let name = folder.file_name().and_then(|it| it.to_str()).unwrap_or_default();
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(inner);
    match fits {
        true => Ok(name.to_owned()),
        false => Err(format!(
            "{name:?} can't be the name of a service: it begins with a letter, and has lower-case letters, digits and - alone"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_names_the_service() {
        assert_eq!(name(Path::new("/x/greeter-2")).as_deref(), Ok("greeter-2"));
        assert_eq!(name(Path::new("greeter/")).as_deref(), Ok("greeter"));
        for folder in ["Greeter", "2nd", "a_b", "a-", "..", "/", &"a".repeat(64)] {
            assert!(name(Path::new(folder)).is_err(), "{folder}");
        }
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let console = Console::start(crate::output::Format::Json);
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("greeter");
        let start = |template| {
            let folder = project.clone();
            new(New { folder, template }, &console)
        };
        start(Template::C).unwrap();
        assert!(project.join("wit/service.wit").is_file());
        std::fs::write(project.join("service.c"), "mine").unwrap();
        assert!(matches!(start(Template::C), Err(Failure::Usage(_))));
        assert_eq!(
            std::fs::read_to_string(project.join("service.c")).unwrap(),
            "mine"
        );
    }
}
