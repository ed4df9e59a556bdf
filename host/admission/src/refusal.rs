//! The text of a refusal: its first line says what to do, the rest which imports it is about and what to write where.

use crate::admission::{Denied, Reason};
use crate::advice::{Grant, Origin};
use crate::interface::Name;
use crate::unused::pattern;
use std::fmt;

/// Names in one list; the others are counted.
const FEW: usize = 3;

/// Why a component is refused, in words. `Display` writes lines for a terminal; [`Refusal::in_one_line`], a message for an event.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// The component's name.
    pub component: &'a str,
    /// What it may not have.
    pub denied: &'a [Denied],
}

/// What is said of imports that lack the same, and the lines to write.
struct Paragraph {
    text: String,
    lines: Vec<String>,
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        for Paragraph { text, lines } in paragraphs(self.denied) {
            write!(f, "\n  {text}")?;
            lines.iter().try_for_each(|line| write!(f, "\n    {line}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&line(paragraphs(std::slice::from_ref(self))))
    }
}

impl Refusal<'_> {
    /// The same without line breaks.
    pub fn in_one_line(&self) -> String {
        format!("{}. {}", self.headline(), line(paragraphs(self.denied)))
    }

    fn headline(&self) -> String {
        let groups = Groups::of(self.denied);
        let mut actions = Vec::new();
        for (known, imports) in &groups.versions {
            let packages = unique(imports.iter().map(|it| package(it)));
            actions.push(format!("rebuild it against {} {known}", few(&packages, "and")));
        }
        if !groups.unsupported.is_empty() {
            let packages = unique(groups.unsupported.iter().map(|it| package(it)));
            actions.push(format!(
                "build it without {}, which Shoal does not have yet",
                few(&packages, "and")
            ));
        }
        if !groups.functions.is_empty() {
            actions.push(format!(
                "link {} by an interface, or list it as unused",
                few(&groups.functions, "and")
            ));
        }
        if !groups.interfaces.is_empty() {
            let them = it(groups.interfaces.len(), "it", "them");
            let packages = few(&groups.packages(), "and");
            actions.push(format!("link what exports {packages}, or list {them} as unused"));
        }
        if !groups.grants.is_empty() {
            let option = |(grant, _): (Grant, _)| match (groups.origin, grant.field) {
                (Some(Origin::Run), "network") => "network (--allow)".to_owned(),
                (Some(Origin::Run), field) => format!("{field} (in a manifest, for `shoal up`)"),
                (_, field) => field.to_owned(),
            };
            let fields: Vec<String> = groups.fields().into_iter().map(option).collect();
            actions.push(format!("grant it {}", few(&fields, "and")));
        }
        format!(
            "component {} can't run here: {}",
            self.component,
            actions.join("; ")
        )
    }
}

/// Imports by what they lack, in the order of the component.
#[derive(Default)]
struct Groups<'a> {
    /// With the versions that there are.
    versions: Vec<(&'static str, Vec<&'a str>)>,
    unsupported: Vec<&'a str>,
    functions: Vec<&'a str>,
    interfaces: Vec<&'a str>,
    grants: Vec<(&'a str, Grant)>,
    origin: Option<&'a Origin>,
}

impl<'a> Groups<'a> {
    fn of(denied: &'a [Denied]) -> Self {
        let mut groups = Self::default();
        for Denied {
            import,
            reason,
            origin,
        } in denied
        {
            let import = import.as_str();
            groups.origin = Some(origin);
            match reason {
                Reason::NotGranted(grant) => groups.grants.push((import, *grant)),
                Reason::OtherVersion { known } => {
                    match groups.versions.iter_mut().find(|(it, _)| it == known) {
                        Some((_, imports)) => imports.push(import),
                        None => groups.versions.push((known, vec![import])),
                    }
                }
                Reason::NoSuchInterface => groups.interfaces.push(import),
                Reason::NoSuchFunction => groups.functions.push(import),
                Reason::NotSupportedYet => groups.unsupported.push(import),
            }
        }
        groups
    }

    /// An interface that is alone in its package, or the package.
    fn packages(&self) -> Vec<String> {
        let of = |wanted: &str| self.interfaces.iter().filter(|it| package(it) == wanted).count();
        let packages = unique(self.interfaces.iter().map(|it| package(it)));
        let named = packages.into_iter().map(|package| match of(package) {
            1 => self
                .interfaces
                .iter()
                .find(|it| self::package(it) == package)
                .map_or(package, |it| it)
                .to_owned(),
            count => format!("the {count} interfaces of {package}"),
        });
        named.collect()
    }

    /// Each grant once. One for any port covers one for HTTPS; imports are listed with the grant that they need.
    fn fields(&self) -> Vec<(Grant, Vec<&'a str>)> {
        let mut fields: Vec<(Grant, Vec<&str>)> = Vec::new();
        for (import, grant) in &self.grants {
            match fields.iter_mut().find(|(it, _)| it.field == grant.field) {
                Some((known, imports)) => {
                    if grant.value.contains("PORT") {
                        known.value = grant.value;
                    }
                    imports.push(import);
                }
                None => fields.push((*grant, vec![import])),
            }
        }
        fields
    }
}

fn paragraphs(denied: &[Denied]) -> Vec<Paragraph> {
    let groups = Groups::of(denied);
    let Some(origin) = groups.origin else {
        return Vec::new();
    };
    let mut all = Vec::new();
    let mut say = |text: String, lines: Vec<String>| all.push(Paragraph { text, lines });
    for (known, imports) in &groups.versions {
        let text = format!(
            "{}: Shoal has {} in version {known} only, so rebuild the component against that",
            few(imports, "and"),
            it(imports.len(), "this interface", "these interfaces")
        );
        say(text, Vec::new());
    }
    if !groups.unsupported.is_empty() {
        say(
            format!("{}: not supported yet", few(&groups.unsupported, "and")),
            Vec::new(),
        );
    }
    if !groups.functions.is_empty() {
        let (functions, count) = (few(&groups.functions, "and"), groups.functions.len());
        let what = it(count, "a function", "functions");
        let text = format!(
            "{functions}: {what} outside of any interface, and only interfaces can be linked. If the program never calls {}:",
            it(count, "it", "them")
        );
        say(text, vec![origin.unused(&groups.functions)]);
    }
    if !groups.interfaces.is_empty() {
        missing(&groups, origin, &mut say);
    }
    if !groups.grants.is_empty() {
        granting(&groups, origin, &mut say);
    }
    all
}

/// Interfaces that Shoal does not have.
fn missing(groups: &Groups<'_>, origin: &Origin, say: &mut dyn FnMut(String, Vec<String>)) {
    let (interfaces, count) = (&groups.interfaces, groups.interfaces.len());
    let text = format!(
        "Shoal does not have {}. If the program never calls {}, though its SDK declares {}:",
        few(interfaces, "or"),
        it(count, "it", "them"),
        it(count, "it", "them")
    );
    say(text, vec![origin.unused(&patterns(interfaces))]);
    let export = it(count, "exports it", "exports one of them, such as the first");
    match interfaces.first().and_then(|import| origin.link(import)) {
        Some(line) => say(format!("If another component {export}:"), vec![line]),
        None => say(
            format!("If another component {export}, write a manifest with links, for `shoal up`"),
            Vec::new(),
        ),
    }
}

/// What covers all of these interfaces, for the field `unusedImports`.
pub fn patterns(interfaces: &[&str]) -> Vec<String> {
    let packages = unique(interfaces.iter().map(|it| package(it)));
    let patterns = packages.into_iter().map(|wanted| {
        let of: Vec<_> = interfaces
            .iter()
            .copied()
            .filter(|it| package(it) == wanted)
            .collect();
        pattern(&of)
    });
    patterns.collect()
}

/// Interfaces that need a grant.
fn granting(groups: &Groups<'_>, origin: &Origin, say: &mut dyn FnMut(String, Vec<String>)) {
    let fields = groups.fields();
    let imports: Vec<_> = groups.grants.iter().map(|(import, _)| *import).collect();
    let values: Vec<_> = fields
        .iter()
        .map(|(grant, _)| (grant.field, grant.value))
        .collect();
    let mut lines = origin.capabilities(&values);
    lines.extend(
        fields
            .iter()
            .filter_map(|(grant, _)| origin.stores(grant.stores?)),
    );
    let (names, are) = (few(&imports, "and"), it(imports.len(), "is", "are"));
    if lines.is_empty() {
        say(
            format!("{names} {are} not granted, which takes a manifest: `shoal inspect` shows its lines"),
            lines,
        );
    } else {
        say(
            format!(
                "{names} {are} not granted. To grant {}:",
                it(imports.len(), "it", "them")
            ),
            lines,
        );
    }
    for (grant, _) in &fields {
        if let Some(least) = grant.least {
            let lines = origin.capabilities(&[(grant.field, least)]);
            let text = "If the program never connects (JavaScript, Python and C# import it all the same), this is enough:";
            say(text.to_owned(), lines);
        }
    }
}

fn line(paragraphs: Vec<Paragraph>) -> String {
    let texts = paragraphs
        .into_iter()
        .map(|Paragraph { text, lines }| match lines.is_empty() {
            true => text,
            false => format!("{text} {}", lines.join(" and ")),
        });
    texts.collect::<Vec<_>>().join(". ")
}

fn package(import: &str) -> &str {
    Name::parse(import).map_or(import, |name| name.package)
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all = Vec::new();
    names.for_each(|name| {
        if !all.contains(&name) {
            all.push(name);
        }
    });
    all
}

fn it<'a>(count: usize, one: &'a str, several: &'a str) -> &'a str {
    if count == 1 { one } else { several }
}

/// The first names, and how many more there are.
fn few<T: AsRef<str>>(names: &[T], last: &str) -> String {
    let shown: Vec<&str> = names.iter().take(FEW).map(AsRef::as_ref).collect();
    match (names.len().saturating_sub(FEW), shown.split_last()) {
        (0, Some((end, []))) => (*end).to_owned(),
        (0, Some((end, rest))) => format!("{} {last} {end}", rest.join(", ")),
        (more, _) => format!("{} {last} {more} more", shown.join(", ")),
    }
}
