//! Imports that the manifest says the component never uses: SDKs declare interfaces whether a program calls them or not.

use crate::admission::linked;
use crate::interface::{Interface, Name};
use shoal_api::Component;
use shoal_description::{Description, ItemKind, PartImport, unversioned};

/// Whether the manifest says that the component never uses this import.
pub(crate) fn unused(import: &str, component: &Component) -> bool {
    let patterns = &component.capabilities.unused_imports;
    patterns.iter().any(|pattern| covers(pattern, import))
}

/// `acme:auth/check` covers it in every version, `acme:auth/check@1.0.0` in this one, `acme:auth/*` all of the package.
fn covers(pattern: &str, import: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(package) => Name::parse(import).is_some_and(|name| name.package == package),
        None => pattern == import || pattern == unversioned(import),
    }
}

/// The pattern that covers all of these imports of one package.
pub(crate) fn pattern(imports: &[&str]) -> String {
    match imports {
        [one] => unversioned(one).to_owned(),
        several => {
            let package = several.first().and_then(|it| Name::parse(it));
            format!("{}/*", package.map_or("", |it| it.package))
        }
    }
}

/// The imports of a component, or of several in one, that nobody provides and nobody uses: their functions have to be there all the
/// same. Those that Shoal has are not among them: they are linked, with nothing granted.
pub fn stubs<'a>(
    description: &'a Description,
    parts: &'a [&'a Component],
) -> impl Iterator<Item = PartImport<'a>> + 'a {
    let imports = description.imports_of_parts(parts.len());
    imports.filter(|import| {
        parts.get(import.part).is_some_and(|component| {
            let provided =
                matches!(Interface::of(import.interface), Ok(it) if it != Interface::WasiMessaging);
            import.kind != ItemKind::Types
                && !provided
                && !linked(import.interface, component)
                && unused(import.interface, component)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_an_interface_or_a_package_and_no_more() {
        for (pattern, import, covered) in [
            ("fermyon:spin/*", "fermyon:spin/llm@2.0.0", true),
            ("fermyon:spin/*", "fermyon:spin2/llm@2.0.0", false),
            ("fermyon:spin/*", "fermyon:spin", false),
            ("fermyon:spin/llm", "fermyon:spin/llm@2.0.0", true),
            ("fermyon:spin/llm@2.0.0", "fermyon:spin/llm@2.0.0", true),
            ("fermyon:spin/llm@2.0.0", "fermyon:spin/llm@2.0.1", false),
            ("fermyon:spin/llm", "fermyon:spin/llm2", false),
            ("log", "log", true),
            ("log", "logs", false),
        ] {
            assert_eq!(covers(pattern, import), covered, "{pattern} {import}");
        }
        assert_eq!(pattern(&["a:b/c@1.0.0"]), "a:b/c");
        assert_eq!(pattern(&["a:b/c@1.0.0", "a:b/d@1.0.0"]), "a:b/*");
    }
}
