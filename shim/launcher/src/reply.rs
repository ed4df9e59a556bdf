//! Which protocol this containerd speaks, and the answer to `start`. Pure.
//!
//! containerd 1.7 takes version 2 of the Task service and refuses 3; 2.x takes both, and only with 3 do the containers of a
//! sandbox share its connection without another `start`. `MAX_SHIM_VERSION` does not tell: it is 2 in each release from 1.7 to
//! 2.4 (`runtime/v2/shim/util.go`, `core/runtime/v2/command.go`). Since 2.3 the version of containerd is in the parameters on
//! standard input; before, its program is asked.

use std::path::Path;

use containerd_shim_protos::bootstrap_api::BootstrapParams;
use containerd_shim_protos::protobuf::Message;

/// The version of the Task service to announce. One that nobody knows is an old one.
pub(crate) fn task_version(containerd: Option<&str>) -> u32 {
    let major = containerd.and_then(|version| {
        let digits = version
            .trim_start_matches('v')
            .split(|c: char| !c.is_ascii_digit())
            .next();
        digits.and_then(|digits| digits.parse::<u32>().ok())
    });
    if major.is_some_and(|major| major >= 2) {
        3
    } else {
        2
    }
}

/// What containerd reads from standard output. An address alone means version 2, to old ones (1.6 reads nothing else) and new.
pub(crate) fn reply(version: u32, socket: &Path) -> String {
    match version {
        2 => address(socket),
        _ => serde_json::json!({"version": version, "address": address(socket), "protocol": "ttrpc"})
            .to_string(),
    }
}

/// The socket as containerd writes it.
pub(crate) fn address(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}

/// The parameters of containerd 2.3 and later. Before, standard input held the runtime's options, which can look like
/// parameters: so their names must be those of the command line, which is containerd's own test (`pkg/shim/compat.go`).
pub(crate) fn parameters(input: &[u8], id: &str, namespace: &str) -> Option<BootstrapParams> {
    let parameters = BootstrapParams::parse_from_bytes(input).ok()?;
    (parameters.instance_id == id && parameters.namespace == namespace).then_some(parameters)
}

/// The version in what `containerd -v` prints: `containerd github.com/containerd/containerd/v2 2.4.2 fe61`.
pub(crate) fn version_of(printed: &str) -> Option<String> {
    let mut words = printed.split_whitespace();
    let (name, version) = (words.next()?, words.nth(1)?);
    (name == "containerd").then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_containerd_that_is_known_to_be_2_gets_version_3() {
        for (containerd, wanted) in [
            (Some("2.4.2"), 3),
            (Some("v2.0.0-rc.1"), 3),
            (Some("2.1.4~ds2"), 3),
            (Some("3.0.0"), 3),
            (Some("1.7.24~ds1"), 2),
            (Some("v1.7.27"), 2),
            (Some("unknown"), 2),
            (Some(""), 2),
            (None, 2),
        ] {
            assert_eq!(task_version(containerd), wanted, "{containerd:?}");
        }
    }

    #[test]
    fn the_reply_is_what_containerd_parses() {
        let socket = Path::new("/run/shoal/shim.sock");
        assert_eq!(
            reply(3, socket),
            r#"{"address":"unix:///run/shoal/shim.sock","protocol":"ttrpc","version":3}"#
        );
        assert_eq!(reply(2, socket), "unix:///run/shoal/shim.sock");
    }

    #[test]
    fn options_are_not_taken_for_parameters() {
        let parameters_of = |id: &str, namespace: &str| BootstrapParams {
            instance_id: id.into(),
            namespace: namespace.into(),
            containerd_version: "2.4.2".into(),
            ..BootstrapParams::default()
        };
        let bytes = parameters_of("abc", "k8s.io").write_to_bytes().expect("bytes");
        let found = parameters(&bytes, "abc", "k8s.io").expect("parameters");
        assert_eq!(found.containerd_version, "2.4.2");
        // An `Any` has the same two first fields: a type and bytes.
        let any = parameters_of("runtime.v1.PodSandboxConfig", "\n\x03abc")
            .write_to_bytes()
            .expect("bytes");
        assert_eq!(parameters(&any, "abc", "k8s.io"), None);
        assert_eq!(parameters(b"", "abc", "k8s.io"), None);
        assert_eq!(parameters(b"\xff\xff\xff", "abc", "k8s.io"), None);
    }

    #[test]
    fn the_version_is_read_from_what_containerd_prints() {
        let of = |printed| version_of(printed);
        assert_eq!(
            of("containerd github.com/containerd/containerd/v2 2.4.2 \n").as_deref(),
            Some("2.4.2")
        );
        assert_eq!(
            of("containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6\n").as_deref(),
            Some("1.7.24~ds1")
        );
        assert_eq!(of("k3s version v1.30.0+k3s1 (abc)"), None);
        assert_eq!(of(""), None);
    }
}
