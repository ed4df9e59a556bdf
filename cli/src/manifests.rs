//! From paths to services: reads manifests, all of them before anything is started. What they mean is `shoal-api`'s business.

use serde_json::Value;
use shoal_api::manifest::{self, Document};
use shoal_api::{Problem, WasmService};
use shoal_service::{Objects, ServiceId};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything that a set of manifests holds.
#[derive(Default)]
pub(crate) struct Manifests {
    /// The services, in the order of the manifests.
    pub(crate) services: Vec<Arc<Entry>>,
    /// Secrets and ConfigMaps, which all services see.
    pub(crate) shared: Vec<Document>,
}

/// A service and where it comes from.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The manifest's file, as the user wrote it.
    pub(crate) file: String,
    /// The folder that the paths in it begin at.
    pub(crate) base: PathBuf,
    pub(crate) service: WasmService,
    /// The document without the defaults that `service` has.
    pub(crate) written: Value,
}

impl Entry {
    pub(crate) fn name(&self) -> &str {
        self.service.metadata.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn id(&self) -> ServiceId {
        ServiceId::of_manifest(&self.service)
    }

    /// Paths of components that are files.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.service
            .spec
            .components
            .iter()
            .filter_map(|it| Some(self.base.join(it.file.as_ref()?)))
    }

    /// What the schema lets pass and can't be.
    pub(crate) fn mistakes(&self) -> Vec<Problem> {
        let mut problems = shoal_service::mistakes(&self.service);
        for problem in &mut problems {
            problem.source = Some(self.file.clone());
        }
        problems
    }

    /// What runs on a cluster in a way that its author may not expect.
    pub(crate) fn advice(&self) -> Vec<Problem> {
        let scaling = &self.service.spec.scaling;
        let most = scaling.max_replicas.unwrap_or(scaling.min_replicas);
        let mut problems = shoal_api::divided_stores(&self.service, most);
        for problem in &mut problems {
            problem.source = Some(self.file.clone());
        }
        problems
    }

    /// What is valid but does not run yet.
    pub(crate) fn unsupported(&self) -> Vec<Problem> {
        let mut problems = shoal_api::unsupported(&self.service);
        for problem in &mut problems {
            problem.source = Some(self.file.clone());
        }
        problems
    }
}

/// One manifest, read but not parsed.
#[derive(Clone)]
pub(crate) struct Text {
    /// As the user wrote it; `-` is standard input.
    pub(crate) name: String,
    base: PathBuf,
    content: Result<String, String>,
}

/// The paths of manifests: folders stand for all the `.yaml` and `.yml` files in them.
pub(crate) fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Problem> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = path
            .read_dir()
            .map_err(|error| whole(path, format!("cannot be read: {error}")))?;
        let yaml = |path: &Path| path.extension().is_some_and(|it| it == "yaml" || it == "yml");
        let mut found: Vec<_> = entries
            .filter_map(Result::ok)
            .map(|it| it.path())
            .filter(|it| yaml(it))
            .collect();
        if found.is_empty() {
            return Err(whole(path, "is a folder without .yaml files".to_owned()));
        }
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

/// Reads a manifest from a file, or from standard input for `-`.
pub(crate) fn read(path: &Path) -> Text {
    let name = path.display().to_string();
    // One byte more than is parsed, so that the parser can say that it is too much.
    let limit = manifest::MOST_BYTES as u64 + 1;
    let mut content = String::new();
    let (base, read) = if name == "-" {
        (
            PathBuf::new(),
            std::io::stdin().lock().take(limit).read_to_string(&mut content),
        )
    } else {
        let base = path.parent().map(Path::to_owned).unwrap_or_default();
        (
            base,
            std::fs::File::open(path).and_then(|file| file.take(limit).read_to_string(&mut content)),
        )
    };
    let content = read
        .map(|_| content)
        .map_err(|error| format!("cannot be read: {error}"));
    Text { name, base, content }
}

/// What one manifest holds.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// The services, in their order.
    pub(crate) services: Vec<Arc<Entry>>,
    shared: Vec<Document>,
}

/// Parses manifests. All problems of all of them are returned.
pub(crate) fn parse(texts: &[Text]) -> Result<Manifests, Vec<Problem>> {
    let (parsed, problems): (Vec<_>, Vec<_>) = texts.iter().map(parse_one).partition(Result::is_ok);
    let mut problems: Vec<_> = problems.into_iter().filter_map(Result::err).flatten().collect();
    let parsed: Vec<_> = parsed.into_iter().filter_map(Result::ok).collect();
    match Manifests::of(&parsed) {
        Ok(all) if problems.is_empty() => Ok(all),
        Ok(_) => Err(problems),
        Err(mut names) => {
            problems.append(&mut names);
            Err(problems)
        }
    }
}

/// Parses one manifest.
pub(crate) fn parse_one(Text { name, base, content }: &Text) -> Result<Parsed, Vec<Problem>> {
    let text = match content {
        Ok(text) => text,
        Err(reason) => return Err(vec![whole(Path::new(name), reason.clone())]),
    };
    let documents = manifest::parse(text, name)?;
    let mut parsed = Parsed::default();
    for (document, written) in documents.into_iter().zip(manifest::written(text)) {
        match document {
            Document::Service(service) => parsed.services.push(Arc::new(Entry {
                file: name.clone(),
                base: base.clone(),
                service: *service,
                written,
            })),
            shared => parsed.shared.push(shared),
        }
    }
    Ok(parsed)
}

impl Manifests {
    /// All that these manifests hold.
    ///
    /// # Errors
    ///
    /// Services that share their name with one before.
    pub(crate) fn of<P: Borrow<Parsed>>(parsed: &[P]) -> Result<Self, Vec<Problem>> {
        let mut all = Self::default();
        let mut problems = Vec::new();
        let mut names: HashMap<&str, &str> = HashMap::new();
        for Parsed { services, shared } in parsed.iter().map(Borrow::borrow) {
            all.shared.extend(shared.iter().cloned());
            for entry in services {
                match names.get(entry.name()) {
                    Some(other) => problems.push(Problem {
                        source: Some(entry.file.clone()),
                        field: "metadata.name".to_owned(),
                        message: format!("is {:?}, as that of the service in {other}", entry.name()),
                        hint: Some("rename one of the two".to_owned()),
                    }),
                    None => {
                        names.insert(entry.name(), &entry.file);
                        all.services.push(Arc::clone(entry));
                    }
                }
            }
        }
        if problems.is_empty() {
            Ok(all)
        } else {
            Err(problems)
        }
    }

    /// Secrets and ConfigMaps, by name.
    pub(crate) fn objects(&self) -> Objects {
        let mut objects = Objects::default();
        for document in &self.shared {
            match document {
                Document::Secret(secret) => objects.add_secret((**secret).clone()),
                Document::ConfigMap(map) => objects.add_config_map((**map).clone()),
                Document::Service(_) => {}
            }
        }
        objects
    }
}

/// A problem of a file as a whole.
fn whole(path: &Path, message: String) -> Problem {
    Problem {
        source: Some(path.display().to_string()),
        field: String::new(),
        message,
        hint: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "apiVersion: shoal.dev/v1alpha1\nkind: WasmService\nmetadata: {name: a}\n\
                           spec: {components: [{name: x, file: x.wasm}]}\n";
    const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: v}\n";

    fn text(name: &str, content: &str) -> Text {
        Text {
            name: name.to_owned(),
            base: PathBuf::from("base"),
            content: Ok(content.to_owned()),
        }
    }

    #[test]
    fn secrets_of_one_manifest_are_seen_by_all() {
        let all = parse(&[text("a.yaml", SERVICE), text("b.yaml", SECRET)]).unwrap();
        assert_eq!((all.services.len(), all.shared.len()), (1, 1));
        assert_eq!(all.services[0].name(), "a");
        assert_eq!(
            all.services[0].files().collect::<Vec<_>>(),
            [PathBuf::from("base/x.wasm")]
        );
    }

    #[test]
    fn all_problems_of_all_manifests_are_told() {
        let texts = [
            text("a.yaml", "kind: Nonsense"),
            text("b.yaml", ""),
            text("c.yaml", SERVICE),
        ];
        let problems = parse(&texts).err().unwrap();
        let sources: Vec<_> = problems.iter().filter_map(|it| it.source.as_deref()).collect();
        assert_eq!(sources, ["a.yaml:1:1", "b.yaml"]);
    }

    #[test]
    fn one_name_in_two_manifests_is_a_problem() {
        let problems = parse(&[text("a.yaml", SERVICE), text("b.yaml", SERVICE)])
            .err()
            .unwrap();
        assert_eq!(
            problems[0].to_string(),
            "b.yaml: metadata.name: is \"a\", as that of the service in a.yaml (rename one of the two)"
        );
    }

    #[test]
    fn a_folder_stands_for_its_manifests_in_order() {
        let folder = tempfile::tempdir().unwrap();
        assert!(expand(&[folder.path().to_owned()]).is_err());
        for name in ["b.yaml", "a.yml", "c.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let files = expand(&[folder.path().to_owned(), PathBuf::from("-")]).unwrap();
        assert_eq!(
            files,
            [
                folder.path().join("a.yml"),
                folder.path().join("b.yaml"),
                PathBuf::from("-")
            ]
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let problems = parse(&[read(Path::new("/nowhere/shoal.yaml"))]).err().unwrap();
        assert!(
            problems[0]
                .to_string()
                .starts_with("/nowhere/shoal.yaml: cannot be read: No such file"),
            "{}",
            problems[0]
        );
    }
}
