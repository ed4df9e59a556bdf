//! A file of containerd's configuration, parsed: what it says, and how our row gets in and out with everything else left as it was.

use std::path::{Path, PathBuf};

use toml_edit::{Array, Document as Spanned, DocumentMut, Item, Table, TableLike, value};

use super::error::{ConfigError, line, syntax};
use crate::runtime::{COMMENT, KIND, NAME, Runtime, Version};

/// The runtime that containerd 1.x has where a file names none.
const DEFAULT: &str = "runc";
const DEFAULT_COMMENT: &str =
    "# As containerd has it by itself, put here by shoal-installer: the table below would leave it out.\n";
/// `pkg/cri/config/config_unix.go` of 1.7.
const DEFAULT_RUNTIME: &str = "runtime_type = \"io.containerd.runc.v2\"
[options]
BinaryName = \"\"
CriuImagePath = \"\"
CriuPath = \"\"
CriuWorkPath = \"\"
IoGid = 0
IoUid = 0
NoNewKeyring = false
NoPivotRoot = false
Root = \"\"
ShimCgroup = \"\"
SystemdCgroup = false
";

/// A file.
#[derive(Debug)]
pub(super) struct Document {
    path: PathBuf,
    /// With the places in the text, for messages.
    spanned: Spanned<String>,
}

/// The names of CRI's plugin, by the version of the file that says it.
pub(super) fn plugin(version: i64) -> &'static str {
    match version {
        ..2 => "cri",
        2 => "io.containerd.grpc.v1.cri",
        3.. => "io.containerd.cri.v1.runtime",
    }
}

impl Document {
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let spanned = Spanned::parse(text.to_owned()).map_err(|error| syntax(path, text, &error))?;
        Ok(Self {
            path: path.to_owned(),
            spanned,
        })
    }

    fn text(&self) -> &str {
        self.spanned.raw()
    }

    fn line_of(&self, item: &Item) -> usize {
        item.span().map_or(1, |span| line(self.text(), span.start))
    }

    /// A file that does not say is of version 1.
    pub(super) fn version(&self) -> i64 {
        self.spanned
            .as_table()
            .get("version")
            .and_then(Item::as_integer)
            .unwrap_or(1)
    }

    pub(super) fn imports(&self) -> Vec<&str> {
        let imports = self.spanned.as_table().get("imports").and_then(Item::as_array);
        imports
            .into_iter()
            .flatten()
            .filter_map(|import| import.as_str())
            .collect()
    }

    /// Whether it says anything of CRI's plugin.
    pub(super) fn has_plugin(&self) -> bool {
        let plugins = self.spanned.as_table().get("plugins");
        let plugins = plugins.and_then(Item::as_table_like);
        plugins.is_some_and(|plugins| plugins.contains_key(plugin(self.version())))
    }

    /// An error where this file turns CRI off.
    pub(super) fn check_enabled(&self) -> Result<(), ConfigError> {
        let Some(item) = self.spanned.as_table().get("disabled_plugins") else {
            return Ok(());
        };
        let names = ["cri", plugin(2), plugin(3), "io.containerd.grpc.v1.cri"];
        let disabled = item.as_array().into_iter().flatten();
        match disabled
            .filter_map(|name| name.as_str())
            .find(|name| names.contains(name))
        {
            Some(name) => Err(ConfigError::Disabled {
                path: self.path.clone(),
                line: self.line_of(item),
                name: name.to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// Something below CRI's plugin.
    fn at(&self, way: &[&str]) -> Option<&Item> {
        let plugin = self
            .spanned
            .as_item()
            .get("plugins")?
            .get(plugin(self.version()))?;
        way.iter().try_fold(plugin, |item, key| item.get(key))
    }

    fn row(&self) -> Option<&Item> {
        self.at(&["containerd", "runtimes", NAME])
    }

    /// Whether it has a row of ours; an error where a row with our name is somebody else's.
    pub(super) fn has_row(&self) -> Result<bool, ConfigError> {
        let Some(row) = self.row() else {
            return Ok(false);
        };
        match row.get("runtime_type").and_then(Item::as_str) {
            Some(KIND) => Ok(true),
            other => Err(ConfigError::Conflict {
                path: self.path.clone(),
                line: self.line_of(row),
                kind: other.unwrap_or("(none)").to_owned(),
            }),
        }
    }

    /// As [`Self::with_row`], for a file in which a table of runtimes takes the place of the one that containerd `version` would have
    /// without it (1.x): the default runtime is written down then, as containerd has it.
    pub(super) fn with_only_row(&self, runtime: &Runtime, version: Version) -> Result<String, ConfigError> {
        let containerd = self.at(&["containerd"]);
        let name = containerd.and_then(|containerd| containerd.get("default_runtime_name")?.as_str());
        let others = self.at(&["containerd", "runtimes"]).and_then(Item::as_table_like);
        let others = others.is_some_and(|others| others.iter().any(|(name, _)| name != NAME));
        let text = match others || name.is_some_and(|name| name != DEFAULT) {
            true => self.text().to_owned(),
            false => {
                let mut document = self.spanned.clone().into_mut();
                let mut table = self.default_runtime(version)?;
                table.decor_mut().set_prefix(format!("\n{DEFAULT_COMMENT}"));
                self.runtimes(&mut document)?.insert(DEFAULT, Item::Table(table));
                self.checked(document)?
            }
        };
        Self::parse(&self.path, &text)?.with_row(runtime)
    }

    fn default_runtime(&self, version: Version) -> Result<Table, ConfigError> {
        let unwritable = |error: toml_edit::TomlError| ConfigError::Unwritable {
            path: self.path.clone(),
            reason: error.message().to_owned(),
        };
        let document: DocumentMut = DEFAULT_RUNTIME.parse().map_err(unwritable)?;
        let mut table = document.as_table().clone();
        if version.minor >= 7 {
            table.insert("sandbox_mode", value("podsandbox"));
        }
        // Printed where they are inserted, not where they stood.
        table.set_position(None);
        if let Some(options) = table.get_mut("options").and_then(Item::as_table_mut) {
            options.set_position(None);
        }
        Ok(table)
    }

    /// The table of runtimes, made where it is missing.
    fn runtimes<'a>(&self, document: &'a mut DocumentMut) -> Result<&'a mut dyn TableLike, ConfigError> {
        let mut parent: &mut dyn TableLike = document.as_table_mut();
        for key in ["plugins", plugin(self.version()), "containerd", "runtimes"] {
            let mut between = Table::new();
            between.set_implicit(true);
            let item = parent.entry(key).or_insert(Item::Table(between));
            parent = item.as_table_like_mut().ok_or_else(|| ConfigError::NoTable {
                path: self.path.clone(),
                line: 1,
                key: key.to_owned(),
            })?;
        }
        Ok(parent)
    }

    /// The text with our row in it.
    pub(super) fn with_row(&self, runtime: &Runtime) -> Result<String, ConfigError> {
        let found = self.has_row()?;
        let mut table = runtime.table();
        if found && self.row().is_some_and(|row| same(row, &table)) {
            return Ok(self.text().to_owned());
        }
        let mut document = self.spanned.clone().into_mut();
        table.decor_mut().set_prefix(format!("\n{COMMENT}"));
        self.runtimes(&mut document)?.insert(NAME, Item::Table(table));
        self.checked(document)
    }

    /// The text without our row, and without tables that only led to it.
    pub(super) fn without_row(&self) -> Result<String, ConfigError> {
        if !self.has_row()? {
            return Ok(self.text().to_owned());
        }
        let mut document = self.spanned.clone().into_mut();
        let way = ["plugins", plugin(self.version()), "containerd", "runtimes"];
        remove(document.as_table_mut(), &way);
        self.checked(document)
    }

    /// The text with one more import.
    pub(super) fn with_import(&self, import: &str) -> Result<String, ConfigError> {
        if self.imports().contains(&import) {
            return Ok(self.text().to_owned());
        }
        let mut document = self.spanned.clone().into_mut();
        let item = document.entry("imports").or_insert_with(|| value(Array::new()));
        let imports = item.as_array_mut().ok_or_else(|| ConfigError::NoTable {
            path: self.path.clone(),
            line: 1,
            key: "imports".to_owned(),
        })?;
        // In an array of several lines, one more of them. What stands before an element may begin with the comment of the one above.
        let last = imports.get(imports.len().saturating_sub(1));
        let prefix = last.and_then(|last| last.decor().prefix()?.as_str()?.rsplit_once('\n'));
        let prefix = prefix.map(|(_, indent)| format!("\n{indent}"));
        imports.push(import);
        if let (Some(prefix), Some(new)) = (prefix, imports.get_mut(imports.len() - 1)) {
            new.decor_mut().set_prefix(prefix);
        }
        self.checked(document)
    }

    /// The text without this import, and without an array that held nothing else.
    pub(super) fn without_import(&self, import: &str) -> Result<String, ConfigError> {
        let mut document = self.spanned.clone().into_mut();
        let Some(imports) = document.get_mut("imports").and_then(Item::as_array_mut) else {
            return Ok(self.text().to_owned());
        };
        let count = imports.len();
        imports.retain(|there| there.as_str() != Some(import));
        if imports.len() == count {
            return Ok(self.text().to_owned());
        }
        if imports.is_empty() {
            document.remove("imports");
        }
        self.checked(document)
    }

    fn checked(&self, document: DocumentMut) -> Result<String, ConfigError> {
        let text = document.to_string();
        match Spanned::parse(&*text) {
            Ok(_) => Ok(text),
            Err(error) => Err(ConfigError::Unwritable {
                path: self.path.clone(),
                reason: error.message().to_owned(),
            }),
        }
    }
}

/// Whether a row says what ours does, whatever its spaces and quotes.
fn same(row: &Item, ours: &Table) -> bool {
    let plain = |item: &Item| {
        let value = item.clone().into_value().ok()?;
        Some(normal(&value))
    };
    let Some(row) = row.as_table_like() else {
        return false;
    };
    row.len() == ours.len()
        && ours
            .iter()
            .all(|(key, item)| row.get(key).is_some_and(|there| plain(there) == plain(item)))
}

/// A value without its spaces and its way of quoting.
fn normal(value: &toml_edit::Value) -> String {
    match value {
        toml_edit::Value::String(text) => format!("{:?}", text.value()),
        toml_edit::Value::Array(array) => {
            let all: Vec<String> = array.iter().map(normal).collect();
            format!("[{}]", all.join(","))
        }
        toml_edit::Value::InlineTable(table) => {
            let all: Vec<String> = table
                .iter()
                .map(|(key, value)| format!("{key}={}", normal(value)))
                .collect();
            format!("{{{}}}", all.join(","))
        }
        other => other.clone().decorated("", "").to_string(),
    }
}

/// Takes our row out of the last of `way`, and each table on it that is empty then and has no line of its own.
fn remove(table: &mut dyn TableLike, way: &[&str]) {
    let Some((key, rest)) = way.split_first() else {
        table.remove(NAME);
        let ours = |item: &Item| {
            let prefix = item.as_table().and_then(|table| table.decor().prefix());
            prefix
                .and_then(|prefix| prefix.as_str())
                .is_some_and(|prefix| prefix.ends_with(DEFAULT_COMMENT))
        };
        if table.get(DEFAULT).is_some_and(ours) {
            table.remove(DEFAULT);
        }
        return;
    };
    let Some(child) = table.get_mut(key) else {
        return;
    };
    if let Some(child) = child.as_table_like_mut() {
        remove(child, rest);
    }
    if child
        .as_table()
        .is_some_and(|child| child.is_empty() && child.is_implicit())
    {
        table.remove(key);
    }
}
