//! The programs of a cluster: building them once, and finding them. Which they are is in `sets`; starting them is not done here.

mod sets;

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};
use sets::{How, SETS, Set};
use sha2::{Digest, Sha256};

/// The folders of the programs that a cluster runs.
pub(crate) struct Programs {
    /// Those of every cluster, then those that this one has besides.
    folders: Vec<PathBuf>,
    common: usize,
}

impl Programs {
    /// Builds them where they are not built yet, and further sets of these names.
    pub(crate) fn ensure(extra: &[&str]) -> anyhow::Result<Self> {
        let mut folders = build(&[])?;
        let common = folders.len();
        if !extra.is_empty() {
            folders.extend(build(
                &extra.iter().map(|&name| name.to_owned()).collect::<Vec<_>>(),
            )?);
        }
        Ok(Self { folders, common })
    }

    pub(crate) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// One of them.
    pub(crate) fn find(&self, program: &str) -> anyhow::Result<PathBuf> {
        let candidates = self.folders.iter().map(|folder| folder.join(program));
        let found = candidates.into_iter().find(|path| path.exists());
        found.with_context(|| {
            format!(
                "{program} is in none of the folders of a cluster's programs: {:?}",
                self.folders
            )
        })
    }

    /// A `PATH` that has those of every cluster first. The caller's is left out, as are further sets: a program's environment, and
    /// with it whether the program is started anew, must not depend on who started it or on what else the cluster runs.
    pub(crate) fn path(&self) -> OsString {
        let system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let mut path = OsString::new();
        for folder in &self.folders[..self.common] {
            path.push(folder);
            path.push(":");
        }
        path.push(system);
        path
    }
}

/// Builds the sets of these names, or all that a cluster needs; those that were built before cost nothing. Returns their folders.
pub(crate) fn build(names: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    if let Some(unknown) = names
        .iter()
        .find(|name| SETS.iter().all(|set| set.name != **name))
    {
        let known: Vec<_> = SETS.iter().map(|set| set.name).collect();
        bail!("there is no set {unknown}; there are {}", known.join(", "));
    }
    let wanted = |set: &&Set| {
        if names.is_empty() {
            !set.lazy
        } else {
            names.iter().any(|name| name == set.name)
        }
    };
    let cache = cache()?;
    SETS.iter().filter(wanted).map(|set| set.ensure(&cache)).collect()
}

/// Folders of lazily built sets that happen to be there, for a shell's PATH.
pub(crate) fn built_extras() -> anyhow::Result<Vec<PathBuf>> {
    let cache = cache()?;
    let folders = SETS.iter().filter(|set| set.lazy).map(|set| set.folder(&cache));
    Ok(folders.filter(|folder| folder.exists()).collect())
}

fn cache() -> anyhow::Result<PathBuf> {
    let from = |variable: &str| {
        std::env::var_os(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let shoal = from("SHOAL_DEV_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|folder| folder.join("shoal")))
        .or_else(|| from("HOME").map(|folder| folder.join(".cache/shoal")))
        .context("no folder for a cache: set HOME, XDG_CACHE_HOME or SHOAL_DEV_CACHE")?;
    Ok(shoal.join("cluster"))
}

impl Set {
    /// Named after all that decides what comes out, but for the compiler.
    fn folder(&self, cache: &Path) -> PathBuf {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(std::env::consts::ARCH);
        for (name, content) in self.sources {
            add(name);
            add(content);
        }
        if let How::Go {
            packages,
            stamps,
            tags,
            ..
        } = &self.how
        {
            packages.iter().chain(*stamps).for_each(|part| add(part));
            add(tags);
        }
        let hash = hex::encode(hash.finalize());
        cache.join(format!("{}-{}", self.name, &hash[..12]))
    }

    fn ensure(&self, cache: &Path) -> anyhow::Result<PathBuf> {
        let folder = self.folder(cache);
        if folder.exists() {
            return Ok(folder);
        }
        fs::create_dir_all(cache).with_context(|| format!("{} can't be made", cache.display()))?;
        // One builds, others wait. What failed half-way is begun anew.
        let lock = File::open(cache).and_then(|lock| lock.lock().map(|()| lock))?;
        if folder.exists() {
            return Ok(folder);
        }
        eprintln!("building {} (once; it takes minutes) ...", self.name);
        let began = Instant::now();
        let work = folder.with_extension("new");
        let _absent = fs::remove_dir_all(&work);
        let (source, bin) = (work.join("source"), work.join("bin"));
        fs::create_dir_all(&source)?;
        fs::create_dir_all(&bin)?;
        for (name, content) in self.sources {
            fs::write(source.join(name), content)?;
        }
        self.compile(&source, &bin)
            .with_context(|| format!("{} can't be built", self.name))?;
        fs::rename(&bin, &folder).with_context(|| format!("{} can't be made", folder.display()))?;
        fs::remove_dir_all(&work)?;
        drop(lock);
        eprintln!("built {} in {} s", self.name, began.elapsed().as_secs());
        Ok(folder)
    }

    fn compile(&self, source: &Path, bin: &Path) -> anyhow::Result<()> {
        match &self.how {
            How::C => {
                let mut cc = Command::new("cc");
                cc.args(["-static", "-Os", "-s", "-o"]).arg(bin.join(self.name));
                run(
                    cc.args(self.sources.iter().map(|(name, _)| source.join(name))),
                    source,
                )
            }
            How::Go {
                packages,
                program,
                stamps,
                tags,
                cgo,
            } => {
                let stamps: String = stamps.iter().map(|stamp| format!(" -X {stamp}")).collect();
                let mut go = Command::new("go");
                go.env("CGO_ENABLED", if *cgo { "1" } else { "0" })
                    // What the caller has set is meant for other code than this.
                    .env("GOFLAGS", "-mod=readonly")
                    .env("GOWORK", "off")
                    .args(["build", "-trimpath", "-tags", tags])
                    .args(["-ldflags", &format!("-s -w{stamps}"), "-o"])
                    // With a slash at its end, which `join` leaves, it is a folder.
                    .arg(bin.join(program))
                    .args(*packages);
                run(&mut go, source)
            }
        }
    }
}

fn run(command: &mut Command, folder: &Path) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .current_dir(folder)
        .stdin(Stdio::null())
        // `build` prints folders to stdout.
        .stdout(Stdio::from(std::io::stderr()))
        .status()
        .with_context(|| {
            format!("{program} can't be run: `scripts/setup.sh cluster` says what is missing")
        })?;
    if !status.success() {
        bail!("{program} ended with {status}; what it said stands above");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sets_folder_says_which_and_from_what() {
        let folders: Vec<_> = SETS.iter().map(|set| set.folder(Path::new("/c"))).collect();
        for (set, folder) in SETS.iter().zip(&folders) {
            assert!(folder.starts_with("/c"));
            let name = folder.file_name().unwrap().to_str().unwrap();
            assert!(
                name.starts_with(set.name) && name.len() == set.name.len() + 13,
                "{name}"
            );
        }
        let other = Set {
            name: "pause",
            how: How::C,
            lazy: false,
            sources: &[("pause.c", "")],
        };
        assert!(!folders.contains(&other.folder(Path::new("/c"))));
    }

    #[test]
    fn what_is_pinned_is_what_is_stamped() {
        for (set, pin) in [
            ("kubernetes", "k8s.io/kubernetes v1.36.3"),
            ("containerd", "github.com/containerd/containerd/v2 v2.4.2"),
            ("runc", "github.com/opencontainers/runc v1.5.2"),
            ("etcd", "go.etcd.io/etcd/server/v3 v3.6.5"),
        ] {
            let set = SETS.iter().find(|known| known.name == set).unwrap();
            let (_, module) = set.sources.iter().find(|(name, _)| *name == "go.mod").unwrap();
            assert!(module.contains(pin), "{pin}");
        }
    }

    #[test]
    fn a_set_that_is_not_known_is_an_error_that_names_those_that_are() {
        let error = build(&["podman".to_owned()]).unwrap_err().to_string();
        assert!(
            error.contains("podman") && error.contains("containerd"),
            "{error}"
        );
    }
}
