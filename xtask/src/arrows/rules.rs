//! Which crate may depend on which: the arrows of DESIGN, as data. The reasons are told to whoever trips over a rule.
//!
//! A new folder needs a row in `rooms`, or the check fails: an arrow is decided, it does not happen.

/// Everything that `check` compares a workspace with.
pub(crate) struct Rules {
    /// What each folder of the workspace may use of the others. The first row that matches decides.
    pub(crate) rooms: &'static [Room],
    /// Crates from elsewhere that only some folders may name in their manifest.
    pub(crate) externals: &'static [External],
    /// Features that only some folders may turn on.
    pub(crate) features: &'static [Feature],
    /// Crates that must not be in a member's tree, however far down.
    pub(crate) absent: &'static [Absent],
}

/// A folder and its arrows. Folders are written out, or end in `/*`; a lone `*` is any folder.
pub(crate) struct Room {
    pub(crate) folder: &'static str,
    pub(crate) may_use: &'static [Arrow],
    pub(crate) why: &'static str,
}

/// An arrow to `folder`.
pub(crate) struct Arrow {
    pub(crate) folder: &'static str,
    pub(crate) when: When,
}

/// Where an arrow is allowed. `[dev-dependencies]` and `[build-dependencies]` count like any other: a crate whose tests need
/// the crate above it is tested in the crate above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Everywhere.
    Always,
    /// Only as an optional dependency, that is behind a feature.
    Optional,
}

/// Crates from elsewhere, by name, and where they may be named.
pub(crate) struct External {
    /// What they are, in words.
    pub(crate) what: &'static str,
    /// Names, or prefixes that end in `*`.
    pub(crate) crates: &'static [&'static str],
    /// Names that a prefix above covers but the rule does not mean.
    pub(crate) except: &'static [&'static str],
    /// The rule holds only where one of these features is asked for (`default` stands for default features left on);
    /// always where the list is empty.
    pub(crate) with_features: &'static [&'static str],
    pub(crate) allowed_in: &'static [&'static str],
    pub(crate) why: &'static str,
}

/// A feature and who may turn it on.
pub(crate) struct Feature {
    /// Package name.
    pub(crate) of: &'static str,
    pub(crate) features: &'static [&'static str],
    /// Folders that may turn it on, and only from a feature of their own: in an optional dependency or by the feature's list.
    pub(crate) behind_a_feature_of: &'static [&'static str],
    pub(crate) why: &'static str,
}

/// Crates that members may not reach with their default features.
pub(crate) struct Absent {
    pub(crate) what: &'static str,
    /// Whose tree they must not be in.
    pub(crate) from: &'static [&'static str],
    pub(crate) crates: &'static [&'static str],
    pub(crate) except: &'static [&'static str],
    pub(crate) why: &'static str,
}

const fn to(folder: &'static str) -> Arrow {
    Arrow {
        folder,
        when: When::Always,
    }
}

const fn optional(folder: &'static str) -> Arrow {
    Arrow {
        folder,
        when: When::Optional,
    }
}

const WHY_HOST: &str =
    "host crates see api and the host crates below them, so that each can be tested without the ones above";
const WHY_API: &str = "everybody depends on api, so whatever it depended on would be everywhere";
const WHY_SHIM: &str = "shim and operator never see each other; what they share is in api";
const WHY_COMPILER: &str = "wasmtime's compiler is never linked into a process that runs guests: only the shoal-compile program, \
                            built with its feature `cranelift`, holds it";

/// The rules of this repository.
pub(crate) const RULES: Rules = Rules {
    rooms: &[
        Room {
            folder: "api",
            may_use: &[],
            why: WHY_API,
        },
        Room {
            folder: "host/engine",
            may_use: &[],
            why: WHY_HOST,
        },
        // Data that the daemon's protocol has, too: no engine, no runtime.
        Room {
            folder: "host/description",
            may_use: &[],
            why: WHY_HOST,
        },
        // The library is the parent's side and needs no engine; the program configures one with the compiler in it, and composes.
        Room {
            folder: "host/compile",
            may_use: &[
                to("host/description"),
                optional("host/engine"),
                optional("host/compose"),
            ],
            why: WHY_HOST,
        },
        Room {
            folder: "host/artifact",
            may_use: &[
                to("api"),
                to("host/compile"),
                to("host/compose"),
                to("e2e/golden"),
            ],
            why: WHY_HOST,
        },
        Room {
            folder: "host/compose",
            may_use: &[to("api"), to("host/description")],
            why: WHY_HOST,
        },
        // Pure, and without wasmtime: the daemon, which never runs a guest, asks them too.
        Room {
            folder: "host/admission",
            may_use: &[to("api"), to("host/description")],
            why: WHY_HOST,
        },
        Room {
            folder: "host/network",
            may_use: &[to("api")],
            why: WHY_HOST,
        },
        Room {
            folder: "host/redis",
            may_use: &[to("api")],
            why: WHY_HOST,
        },
        Room {
            folder: "host/capability",
            may_use: &[
                to("api"),
                to("host/engine"),
                to("host/compile"),
                to("host/admission"),
                to("host/network"),
                to("host/redis"),
            ],
            why: WHY_HOST,
        },
        Room {
            folder: "host/link",
            may_use: &[to("api"), to("host/capability")],
            why: WHY_HOST,
        },
        Room {
            folder: "host/trigger",
            may_use: &[to("api"), to("host/network"), to("host/redis")],
            why: WHY_HOST,
        },
        Room {
            folder: "host/service",
            may_use: &[to("api"), to("host/*")],
            why: WHY_HOST,
        },
        Room {
            folder: "host/fleet",
            may_use: &[to("api"), to("host/compile"), to("host/service")],
            why: WHY_HOST,
        },
        // Sockets and packets, for whatever is sent.
        Room {
            folder: "shim/channel",
            may_use: &[to("e2e/golden")],
            why: WHY_SHIM,
        },
        Room {
            folder: "shim/protocol",
            may_use: &[
                to("api"),
                to("host/description"),
                to("shim/channel"),
                to("e2e/golden"),
            ],
            why: WHY_SHIM,
        },
        // It is started for each pod: small, and without what others are made of.
        Room {
            folder: "shim/launcher",
            may_use: &[to("shim/channel")],
            why: WHY_SHIM,
        },
        // What brings artifacts here and decides about them, nothing that runs them.
        Room {
            folder: "shim/daemon",
            may_use: &[
                to("api"),
                to("host/admission"),
                to("host/artifact"),
                to("host/compile"),
                to("host/description"),
                to("host/network"),
                to("shim/channel"),
                to("shim/protocol"),
                to("e2e/golden"),
            ],
            why: WHY_SHIM,
        },
        Room {
            folder: "shim/worker",
            may_use: &[
                to("api"),
                to("host/compile"),
                to("host/service"),
                to("shim/channel"),
                to("shim/protocol"),
                to("e2e/silent-fs"),
            ],
            why: WHY_SHIM,
        },
        // To say which image runs, it asks registries as pulls do: with the same credentials and the same bounds.
        Room {
            folder: "operator/controller",
            may_use: &[to("api"), to("operator/plan"), to("host/artifact")],
            why: WHY_SHIM,
        },
        Room {
            folder: "operator/*",
            may_use: &[to("api"), to("operator/*")],
            why: WHY_SHIM,
        },
        Room {
            folder: "cli",
            may_use: &[
                to("api"),
                to("host/fleet"),
                to("host/service"),
                to("host/artifact"),
                to("host/compile"),
                to("host/description"),
            ],
            why: "the command is a thin edge over host/fleet and host/service; a worker process is another edge over the same library",
        },
        Room {
            folder: "xtask",
            may_use: &[to("api")],
            why: "xtask generates files from the types of api, and builds fast; the command writes its own reference",
        },
        Room {
            folder: "e2e/*",
            may_use: &[to("*")],
            why: "tests and benches may look at everything",
        },
    ],
    externals: &[
        External {
            what: "wasmtime",
            crates: &["wasmtime", "wasmtime-*", "cranelift-*", "winch-*", "pulley-*"],
            except: &[],
            with_features: &[],
            allowed_in: &[
                "host/engine",
                "host/compile",
                "host/capability",
                "host/link",
                "host/service",
                "shim/worker",
                "e2e/bench",
            ],
            why: "wasmtime's types stay inside host and shim/worker; its monthly major versions must not ripple \
                  further. host/trigger and host/artifact do without; the bench measures beside it",
        },
        External {
            what: "a Kubernetes client",
            crates: &["kube-client", "kube-runtime"],
            except: &[],
            with_features: &[],
            allowed_in: &["operator/controller", "cli", "e2e/*"],
            why: "a process that runs guests holds no credentials of the cluster, and what decides is pure",
        },
        External {
            what: "a Kubernetes client (kube with its client)",
            crates: &["kube"],
            except: &[],
            with_features: &["default", "client", "config", "runtime", "ws"],
            allowed_in: &["operator/controller", "cli", "e2e/*"],
            why: "a process that runs guests holds no credentials of the cluster, and what decides is pure; \
                  take kube with `default-features = false, features = [\"derive\"]`",
        },
        External {
            what: "I/O",
            crates: &[
                "tokio",
                "hyper",
                "hyper-*",
                "reqwest",
                "rustix",
                "libc",
                "oci-client",
            ],
            except: &[],
            with_features: &[],
            allowed_in: &[
                "host/*",
                "shim/*",
                "operator/controller",
                "operator/installer",
                "cli",
                "xtask",
                "e2e/*",
            ],
            why: "api and operator/plan are data and functions of data",
        },
    ],
    features: &[
        Feature {
            of: "wasmtime",
            features: &["default", "cranelift", "winch", "all-arch"],
            behind_a_feature_of: &["host/compile"],
            why: WHY_COMPILER,
        },
        Feature {
            of: "shoal-compile",
            features: &["cranelift"],
            behind_a_feature_of: &[],
            why: WHY_COMPILER,
        },
        Feature {
            of: "shoal-engine",
            features: &["cranelift"],
            behind_a_feature_of: &["host/compile"],
            why: WHY_COMPILER,
        },
    ],
    absent: &[COMPILER, RUNTIME],
};

const COMPILER: Absent = Absent {
    what: "wasmtime's compiler",
    from: &["*"],
    crates: &[
        "cranelift-*",
        "winch-*",
        "wasmtime-internal-cranelift",
        "wasmtime-internal-winch",
    ],
    // Collections and a generator of enums that wasmtime's runtime shares with its compiler; no code generator in them.
    except: &[
        "cranelift-bforest",
        "cranelift-bitset",
        "cranelift-entity",
        "cranelift-srcgen",
    ],
    why: WHY_COMPILER,
};

const RUNTIME: Absent = Absent {
    what: "wasmtime's runtime",
    from: &[
        "api",
        "host/admission",
        "host/artifact",
        "host/compile",
        "host/compose",
        "host/description",
        "host/network",
        "host/redis",
        "host/trigger",
        "operator/*",
        "shim/channel",
        "shim/daemon",
        "shim/launcher",
        "shim/protocol",
        "xtask",
    ],
    crates: &["wasmtime", "wasmtime-wasi", "wasmtime-wasi-http"],
    except: &[],
    why: "whoever holds privileges on a node or credentials of a cluster never runs a guest, so it links nothing that could",
};
