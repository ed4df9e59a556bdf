//! JavaScript, by the library componentize-js of the project's own `node_modules`.

use super::project::Project;
use super::tools::{Run, Tools, missing};
use crate::failure::Failure;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// It imports preview2-shim without depending on it, so the template's package.json names that too: otherwise it is there or not
/// as npm places the packages of others.
const PACKAGE: &str = "node_modules/@bytecodealliance/componentize-js";
/// The library, not jco's command: that one stumbles over the path of the WIT.
const SCRIPT: &str = "import { componentize } from '@bytecodealliance/componentize-js';
import { writeFile } from 'node:fs/promises';
const [sourcePath, witPath, out, ...disableFeatures] = process.argv.slice(1);
const { component } = await componentize({ sourcePath, witPath, disableFeatures });
await writeFile(out, component);";

pub(super) async fn build(project: &Project, tools: &Tools) -> Result<(), Failure> {
    let node = tools.need("node", "Node.js 20 or later, as https://nodejs.org says")?;
    let folder = project.folder.as_path();
    if !folder.ancestors().any(|it| it.join(PACKAGE).is_dir()) {
        let install = format!("cd {} && npm install", folder.display());
        return Err(missing("componentize-js", &install));
    }
    let wit = project.wit()?;
    let mut run = Run::new(node, folder)
        .args(["--input-type=module", "--eval", SCRIPT, "--"])
        .arg(main(folder)?)
        .arg(&wit)
        .arg(project.new_file());
    if !imports_http(&wit) {
        // Otherwise they are imported whether the program uses them or not, and have to be granted.
        run = run.args(["http", "fetch-event"]);
    }
    run.run().await
}

/// The module that the package begins with.
fn main(folder: &Path) -> Result<PathBuf, Failure> {
    let path = folder.join("package.json");
    let told = |reason: String| Failure::Other(format!("{}: {reason}", path.display()));
    let text = std::fs::read_to_string(&path).map_err(|error| told(error.to_string()))?;
    let package: Value = serde_json::from_str(&text).map_err(|error| told(error.to_string()))?;
    let main = folder.join(package["main"].as_str().unwrap_or("index.js"));
    match main.is_file() {
        true => Ok(main),
        false => Err(told(format!(
            "\"main\" names {}, which is not there",
            main.display()
        ))),
    }
}

/// Whether the world has to do with HTTP.
fn imports_http(wit: &Path) -> bool {
    let files = wit.read_dir().into_iter().flatten().flatten().map(|it| it.path());
    let texts = files.filter_map(|it| std::fs::read_to_string(it).ok());
    texts.into_iter().any(|text| text.contains("wasi:http/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_says_what_it_begins_with() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("package.json", r#"{"main": "app.js"}"#);
        assert!(
            main(folder.path())
                .unwrap_err()
                .message()
                .contains("app.js, which is not there")
        );
        write("app.js", "");
        assert_eq!(main(folder.path()).unwrap(), folder.path().join("app.js"));

        write("service.wit", "package a:b;\nworld w { export run: func(); }\n");
        assert!(!imports_http(folder.path()));
        write(
            "service.wit",
            "package a:b;\nworld w { import wasi:http/outgoing-handler@0.2.0; }\n",
        );
        assert!(imports_http(folder.path()));
    }
}
