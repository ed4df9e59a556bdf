//! Which export serves which import: links, versions, and the types that a linked interface brings along. Names only.

use crate::{ComposeError, Link};
use crate::{compatible, unversioned};
use std::collections::BTreeMap;

/// What a part imports and exports, by the names that it knows itself.
pub(crate) struct Names<'a> {
    pub(crate) part: &'a str,
    pub(crate) imports: Vec<&'a str>,
    pub(crate) exports: Vec<&'a str>,
    /// For each import, the other imports whose types it uses.
    pub(crate) uses: BTreeMap<&'a str, Vec<&'a str>>,
}

/// An import that another part's export serves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Provision<'a> {
    pub(crate) import: &'a str,
    pub(crate) provider: &'a str,
    pub(crate) export: &'a str,
}

/// All imports of `names` that `links` serve.
pub(crate) fn provisions<'a>(
    names: &Names<'a>,
    links: &'a [Link],
    all: &BTreeMap<&'a str, Names<'a>>,
) -> Result<Vec<Provision<'a>>, ComposeError> {
    let mut served: Vec<Provision<'a>> = Vec::new();
    for link in links {
        let wanted: Vec<_> = names
            .imports
            .iter()
            .copied()
            .filter(|import| *import == link.import || unversioned(import) == link.import)
            .collect();
        if wanted.is_empty() {
            return Err(not_imported(names, &link.import));
        }
        for import in wanted {
            let provider = all
                .get(link.part.as_str())
                .ok_or_else(|| ComposeError::NoSuchPart {
                    part: names.part.to_owned(),
                    import: link.import.clone(),
                    missing: link.part.clone(),
                })?;
            let export = find(import, provider).ok_or_else(|| missing(names.part, import, provider))?;
            served.push(Provision {
                import,
                provider: provider.part,
                export,
            });
        }
    }
    along(names, &mut served, all);
    Ok(served)
}

/// An interface that a linked one uses types of comes from the same component, where that exports it: otherwise the two would speak of
/// different types.
fn along<'a>(names: &Names<'a>, served: &mut Vec<Provision<'a>>, all: &BTreeMap<&'a str, Names<'a>>) {
    let mut at = 0;
    while let Some(Provision { import, provider, .. }) = served.get(at) {
        let (import, provider) = (*import, *provider);
        at += 1;
        for used in names.uses.get(import).into_iter().flatten() {
            let taken = served.iter().any(|it| it.import == *used);
            let found = all.get(provider).and_then(|names| find(used, names));
            if let (false, Some(export)) = (taken, found) {
                served.push(Provision {
                    import: used,
                    provider,
                    export,
                });
            }
        }
    }
}

/// The export that serves an import: of the same name, or of the highest compatible version.
fn find<'a>(import: &str, provider: &Names<'a>) -> Option<&'a str> {
    let exact = provider.exports.iter().find(|export| **export == import);
    let compatible = || {
        provider
            .exports
            .iter()
            .filter(|export| compatible(import, export))
    };
    exact
        .or_else(|| compatible().max_by_key(|export| version(export)))
        .copied()
}

fn version(name: &str) -> Option<semver::Version> {
    semver::Version::parse(name.split_once('@')?.1).ok()
}

fn missing(part: &str, import: &str, provider: &Names<'_>) -> ComposeError {
    let (part, import) = (part.to_owned(), import.to_owned());
    let (name, provider_name) = (unversioned(&import), provider.part.to_owned());
    let exports = |keep: &dyn Fn(&str) -> bool| -> Vec<String> {
        let kept = provider.exports.iter().filter(|it| keep(it));
        kept.map(|it| (*it).to_owned()).collect()
    };
    let versions = exports(&|export| unversioned(export) == name);
    if !versions.is_empty() {
        return ComposeError::OtherVersion {
            part,
            import,
            provider: provider_name,
            exports: versions,
        };
    }
    let package = package(name).to_owned();
    let exports = exports(&|_| true);
    if exports.iter().any(|export| self::package(export) == package) {
        return ComposeError::NoExport {
            part,
            import,
            provider: provider_name,
            exports,
        };
    }
    ComposeError::NoPackage {
        part,
        import,
        provider: provider_name,
        package,
        exports,
    }
}

fn package(name: &str) -> &str {
    name.split_once('/').map_or(name, |(package, _)| package)
}

fn not_imported(names: &Names<'_>, import: &str) -> ComposeError {
    let other = names
        .imports
        .iter()
        .find(|it| unversioned(it) == unversioned(import));
    ComposeError::NotImported {
        part: names.part.to_owned(),
        import: import.to_owned(),
        version: other.map(|it| (*it).to_owned()),
        imports: names
            .imports
            .iter()
            .filter(|it| it.contains(':') && !it.starts_with("wasi:"))
            .map(|it| (*it).to_owned())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<'a>(part: &'a str, imports: &[&'a str], exports: &[&'a str]) -> Names<'a> {
        Names {
            part,
            imports: imports.to_vec(),
            exports: exports.to_vec(),
            uses: BTreeMap::new(),
        }
    }

    fn run(import: &str, exports: &[&str]) -> Result<Vec<(String, String)>, String> {
        let web = names(
            "web",
            &["acme:auth/check@0.2.1", "wasi:cli/environment@0.2.6"],
            &[],
        );
        let all = BTreeMap::from([("auth", names("auth", &[], exports))]);
        let links = [Link {
            import: import.to_owned(),
            part: "auth".to_owned(),
        }];
        let served = provisions(&web, &links, &all).map_err(|error| error.to_string())?;
        Ok(served
            .iter()
            .map(|it| (it.import.to_owned(), it.export.to_owned()))
            .collect())
    }

    #[test]
    fn compatible_versions_serve_and_the_highest_wins() {
        let to = |export: &str| Ok(vec![("acme:auth/check@0.2.1".to_owned(), export.to_owned())]);
        assert_eq!(
            run("acme:auth/check", &["acme:auth/check@0.2.1"]),
            to("acme:auth/check@0.2.1")
        );
        let several = [
            "acme:auth/check@0.2.3",
            "acme:auth/check@0.2.10",
            "acme:auth/check@0.3.0",
        ];
        assert_eq!(
            run("acme:auth/check@0.2.1", &several),
            to("acme:auth/check@0.2.10")
        );
    }

    #[test]
    fn what_is_missing_is_told_apart() {
        let error = |import, exports: &[&str]| run(import, exports).expect_err("an error");
        let text = error("acme:auth/check", &["acme:auth/check@0.3.0"]);
        assert!(
            text.contains("not compatible") && text.contains("acme:auth/check@0.3.0"),
            "{text}"
        );
        let text = error("acme:auth/check", &["acme:auth/users@0.2.1"]);
        assert!(
            text.contains("does not export it; it exports acme:auth/users@0.2.1"),
            "{text}"
        );
        let text = error("acme:auth/check", &["acme:mail/send"]);
        assert!(text.contains("nothing of the package acme:auth"), "{text}");
        let text = error("acme:auth/chekc", &[]);
        assert!(
            text.contains("does not import acme:auth/chekc; it imports acme:auth/check@0.2.1"),
            "{text}"
        );
        let text = error("acme:auth/check@0.2.7", &[]);
        assert!(text.contains("but acme:auth/check@0.2.1"), "{text}");
    }

    #[test]
    fn types_come_along_from_the_same_component() {
        let mut web = names("web", &["a:b/check", "a:b/types", "a:b/other"], &[]);
        web.uses.insert("a:b/check", vec!["a:b/types", "a:b/other"]);
        let all = BTreeMap::from([("auth", names("auth", &[], &["a:b/check", "a:b/types"]))]);
        let links = [Link {
            import: "a:b/check".to_owned(),
            part: "auth".to_owned(),
        }];
        let served = provisions(&web, &links, &all).expect("provisions");
        let imports: Vec<_> = served.iter().map(|it| it.import).collect();
        assert_eq!(imports, ["a:b/check", "a:b/types"]);
    }
}
