//! What may be chosen about an installation. Pure.

use std::path::PathBuf;

use toml_edit::Value;

use crate::error::Error;
use crate::runtime::{Sandboxer, Version};

/// See the fields.
#[derive(Clone, Debug)]
pub struct Options {
    /// The version that the payload is of.
    pub version: String,
    /// Where versions lie side by side.
    pub bin: PathBuf,
    /// Where containerd listens; none finds it.
    pub socket: Option<PathBuf>,
    /// The file that it loads; none asks its command line.
    pub config: Option<PathBuf>,
    /// A command of the node's shell that restarts it; none restarts its unit.
    pub restart_command: Option<String>,
    /// None: the shim where containerd has it.
    pub sandboxer: Option<Sandboxer>,
    /// Further keys of the runtime's table.
    pub runtime_options: Vec<(String, Value)>,
    /// How large the node's cache may become, such as `10Gi`; none leaves that to the shim.
    pub cache_size: Option<String>,
    /// How long containerd may take to come back, and the canary to run, each.
    pub patience: std::time::Duration,
}

/// Reads `KEY=VALUE`.
pub fn runtime_option(option: &str) -> Result<(String, Value), Error> {
    let wrong = |reason: &str| Error::Option {
        option: option.to_owned(),
        reason: reason.to_owned(),
    };
    let (key, value) = option.split_once('=').ok_or_else(|| wrong("there is no ="))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if key.is_empty() || !key.chars().all(plain) {
        return Err(wrong("the key has other characters than letters, digits and _"));
    }
    match value.parse() {
        Ok(value) => Ok((key.to_owned(), value)),
        Err(error) => Err(wrong(&error.to_string().replace('\n', " "))),
    }
}

/// Who makes sandboxes, as containerd is told: nothing where it does not ask. `linked` says whether it finds the shim in its PATH,
/// without which it makes no sandboxes by it (2.4 looks at no `runtime_path` there).
pub fn sandboxer(said: Option<Sandboxer>, version: Version, linked: bool) -> Option<Sandboxer> {
    if !version.has_sandboxers() {
        return None;
    }
    Some(said.unwrap_or(if linked {
        Sandboxer::Shim
    } else {
        Sandboxer::Podsandbox
    }))
}

/// The folders of containerd's PATH in which a link to the shim may be, the likeliest first: those that are for what an administrator
/// adds. A folder of k3s' own or of a snap is another one after an upgrade.
pub fn link_folders(path: &[PathBuf]) -> Vec<PathBuf> {
    let known = [
        "/usr/local/bin",
        "/usr/local/sbin",
        "/opt/bin",
        "/usr/bin",
        "/usr/sbin",
    ];
    let folders = known.iter().map(PathBuf::from);
    folders.filter(|folder| path.contains(folder)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_runtime_are_toml() {
        let (key, value) = runtime_option("snapshotter=\"native\"").expect("right");
        assert_eq!((&*key, value.as_str()), ("snapshotter", Some("native")));
        let (_, value) = runtime_option("cni_max_conf_num=1").expect("right");
        assert_eq!(value.as_integer(), Some(1));
        for wrong in ["snapshotter", "=1", "a.b=1", "x=native", "x="] {
            assert!(runtime_option(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_shim_makes_sandboxes_where_it_can() {
        let (old, new) = (Version { major: 1, minor: 7 }, Version { major: 2, minor: 0 });
        assert_eq!(sandboxer(None, old, true), None);
        assert_eq!(sandboxer(Some(Sandboxer::Shim), old, true), None);
        assert_eq!(sandboxer(None, new, true), Some(Sandboxer::Shim));
        assert_eq!(sandboxer(None, new, false), Some(Sandboxer::Podsandbox));
        assert_eq!(
            sandboxer(Some(Sandboxer::Podsandbox), new, true),
            Some(Sandboxer::Podsandbox)
        );
    }

    #[test]
    fn a_link_goes_where_an_administrator_would_put_one() {
        let path = |text: &str| text.split(':').map(PathBuf::from).collect::<Vec<_>>();
        let systemd = path("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin");
        assert_eq!(link_folders(&systemd).first(), Some(&"/usr/local/bin".into()));
        let k3s = path("/var/lib/rancher/k3s/data/current/bin:/usr/sbin:/usr/bin:/sbin");
        assert_eq!(link_folders(&k3s), path("/usr/bin:/usr/sbin"));
        assert!(link_folders(&path("/snap/microk8s/1/bin")).is_empty());
    }
}
