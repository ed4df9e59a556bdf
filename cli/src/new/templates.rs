//! What a new project holds, for each language. The files lie in `cli/templates`; names and a few words are put in here.

use clap::ValueEnum;

/// A language, and what is written in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// A string in, a string out (shoal:service/my-service)
    Rust,
    /// A service that speaks HTTP itself (wasi:http)
    RustHttp,
    /// A string in, a string out
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    /// A string in, a string out
    Python,
    /// A string in, a string out
    C,
    /// A program that runs once (wasi:cli)
    Go,
}

const WIT: &str = include_str!("../../../wit/service.wit");
const MANIFEST: &str = include_str!("../../templates/service.yaml.in");
const README: &str = include_str!("../../templates/README.md.in");
const IGNORED: &str = include_str!("../../templates/gitignore.in");

/// The words in which the projects of services differ.
struct Words {
    source: &'static str,
    what: &'static str,
    more: &'static str,
    tools: &'static str,
    memory: &'static str,
    grants: &'static str,
    answer: &'static str,
}

const SERVICE: Words = Words {
    source: "",
    what: "A service in which a string goes in and a string comes out. Shoal does the HTTP; what it remembers is in a store that the \
           manifest names.",
    more: "| `wit/` | what the component imports and exports |\n",
    tools: "",
    memory: "16Mi",
    grants: "",
    answer: "Hello Ada, this is visit 1.",
};

const RUST: &str = "[Rust](https://rustup.rs), with its target for WebAssembly:\n\n```console\n$ rustup target add wasm32-wasip2\n```";
const JAVASCRIPT: &str =
    "[Node.js](https://nodejs.org), 20 or later, and in this folder:\n\n```console\n$ npm install\n```";
const PYTHON: &str = "Python, 3.10 or later, and in this folder:\n\n```console\n$ python3 -m venv .venv\n\
                      $ .venv/bin/pip install -r requirements.txt\n```";
const C: &str = "`wit-bindgen`, and either clang with wasi-libc or [zig](https://ziglang.org):\n\n```console\n\
                 $ cargo install wit-bindgen-cli\n\
                 $ sudo apt-get install clang lld wasi-libc libclang-rt-dev-wasm32    # or: pip install ziglang\n```";
/// CPython's library has sockets in it, whoever calls them.
const SOCKETS: &str = "\n      # Python imports sockets whatever it does; no destination is granted.\n      network: {outbound: []}";

impl Template {
    /// The files of a project of this name: paths and contents.
    pub(super) fn files(self, name: &str) -> Vec<(&'static str, String)> {
        let (manifest, readme) = match self {
            Self::Go => (
                include_str!("../../templates/go/shoal.yaml.in"),
                include_str!("../../templates/go/README.md.in"),
            ),
            Self::RustHttp => (include_str!("../../templates/rust-http/shoal.yaml.in"), README),
            _ => (MANIFEST, README),
        };
        let words = self.words();
        let mut files = vec![
            ("shoal.yaml", manifest),
            ("README.md", readme),
            (".gitignore", IGNORED),
        ];
        files.extend(self.sources());
        let put = |text: &str| {
            let mut text = text.to_owned();
            for (mark, word) in [
                ("{{source}}", words.source),
                ("{{what}}", words.what),
                ("{{more}}", words.more),
                ("{{tools}}", words.tools),
                ("{{memory}}", words.memory),
                ("{{grants}}", words.grants),
                ("{{answer}}", words.answer),
                ("{{name}}", name),
            ] {
                text = text.replace(mark, word);
            }
            text
        };
        let mut files: Vec<_> = files.into_iter().map(|(path, text)| (path, put(text))).collect();
        if words.more == SERVICE.more {
            files.push(("wit/service.wit", WIT.to_owned()));
        }
        files
    }

    fn words(self) -> Words {
        let of = |source, tools| Words {
            source,
            tools,
            ..SERVICE
        };
        match self {
            Self::Rust => of("src/lib.rs", RUST),
            Self::RustHttp => Words {
                what: "A service that speaks HTTP itself: it sees methods, paths and headers, and streams its answers.",
                more: "",
                answer: "Hello Ada, over HTTP.",
                ..of("src/lib.rs", RUST)
            },
            Self::JavaScript => Words {
                memory: "64Mi",
                ..of("app.js", JAVASCRIPT)
            },
            Self::Python => Words {
                memory: "128Mi",
                grants: SOCKETS,
                ..of("app.py", PYTHON)
            },
            Self::C => of("service.c", C),
            Self::Go => Words {
                more: "",
                ..of("main.go", "")
            },
        }
    }

    fn sources(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Rust => &[
                ("Cargo.toml", include_str!("../../templates/rust/Cargo.toml.in")),
                ("src/lib.rs", include_str!("../../templates/rust/lib.rs.in")),
            ],
            Self::RustHttp => &[
                (
                    "Cargo.toml",
                    include_str!("../../templates/rust-http/Cargo.toml.in"),
                ),
                ("src/lib.rs", include_str!("../../templates/rust-http/lib.rs.in")),
            ],
            Self::JavaScript => &[
                (
                    "package.json",
                    include_str!("../../templates/javascript/package.json.in"),
                ),
                ("app.js", include_str!("../../templates/javascript/app.js.in")),
            ],
            Self::Python => &[
                (
                    "requirements.txt",
                    include_str!("../../templates/python/requirements.txt.in"),
                ),
                ("app.py", include_str!("../../templates/python/app.py.in")),
            ],
            Self::C => &[("service.c", include_str!("../../templates/c/service.c.in"))],
            Self::Go => &[
                ("go.mod", include_str!("../../templates/go/go.mod.in")),
                ("main.go", include_str!("../../templates/go/main.go.in")),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::Kind;
    use shoal_api::manifest::{self, Document};

    #[test]
    fn each_manifest_is_valid_and_runs_today() {
        for template in Template::value_variants() {
            let files = template.files("greeter-2");
            let text = &files[0].1;
            let documents =
                manifest::parse(text, "shoal.yaml").unwrap_or_else(|it| panic!("{template:?}: {it:?}"));
            let [Document::Service(service)] = documents.as_slice() else {
                panic!("{template:?}: {documents:?}");
            };
            assert_eq!(service.metadata.name.as_deref(), Some("greeter-2"));
            assert_eq!(
                service.spec.components[0].file.as_deref(),
                Some("./greeter-2.wasm")
            );
            assert_eq!(shoal_api::unsupported(service), [], "{template:?}");
        }
    }

    #[test]
    fn each_project_is_of_its_kind_and_has_no_gaps() {
        for template in Template::value_variants() {
            let files = template.files("greeter");
            let names: Vec<_> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
            let kind = match template {
                Template::Rust | Template::RustHttp => Kind::Rust,
                Template::JavaScript => Kind::JavaScript,
                Template::Python => Kind::Python,
                Template::C => Kind::C,
                Template::Go => Kind::Go,
            };
            assert_eq!(Kind::of(&names), Some(kind), "{names:?}");
            for (path, text) in &files {
                assert!(!text.contains("{{"), "{template:?}/{path}: {text}");
                assert!(
                    text.ends_with('\n') && !text.ends_with("\n\n"),
                    "{template:?}/{path}"
                );
            }
            let source = template.words().source;
            assert!(names.iter().any(|it| it == source), "{template:?}: {source}");
        }
    }
}
