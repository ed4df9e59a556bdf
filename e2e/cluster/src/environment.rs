//! `shoal-cluster env`: what a shell or a test needs to use a cluster. The other end, which reads it, is in `lib.rs`.

use std::path::Path;

use anyhow::Context;
use shoal_cluster::variable_suffix;

use crate::claim;
use crate::control::audit_log;
use crate::layout::{Layout, node_name};
use crate::node::{self, cri_socket, shoal_run};
use crate::pki::Pki;
use crate::toolset;

/// Prints `export` lines.
pub(crate) fn print(name: &str) -> anyhow::Result<()> {
    let (layout, record) = claim::look(name)?
        .filter(|(_, record)| record.nodes > 0)
        .with_context(|| format!("there is no cluster {name}: `make cluster` starts one"))?;
    for (variable, value) in variables(&layout, record.nodes, record.bare) {
        println!("export {variable}={}", quoted(&value));
    }
    let folders = record.programs.into_iter().chain(toolset::built_extras()?);
    let folders: Vec<_> = folders.map(|folder| quoted(&folder.to_string_lossy())).collect();
    println!("export PATH={}:\"$PATH\"", folders.join(":"));
    Ok(())
}

fn variables(layout: &Layout, nodes: u8, bare: bool) -> Vec<(String, String)> {
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let names: Vec<String> = (1..=nodes).map(node_name).collect();
    let mut variables: Vec<(String, String)> = [
        ("KUBECONFIG", path(&Pki::of(layout).kubeconfig("admin"))),
        ("SHOAL_CLUSTER", layout.name.clone()),
        ("SHOAL_REGISTRY", layout.registry()),
        ("SHOAL_NODES", names.join(" ")),
        ("SHOAL_AUDIT_LOG", path(&audit_log(layout))),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    if bare {
        // As `shoal-installer` takes it.
        let command = node::RESTART.to_owned();
        variables.push(("SHOAL_RESTART_COMMAND".to_owned(), command));
    }
    for node in 1..=nodes {
        let (suffix, folder) = (variable_suffix(&node_name(node)), layout.node_folder(node));
        let of_node = [
            ("CRI", path(&cri_socket(&folder, bare))),
            ("NETNS", layout.node_netns(node)),
            ("NODE_DIR", path(&folder)),
            ("NODE_RUN", path(&shoal_run(&folder))),
        ];
        variables.extend(of_node.map(|(kind, value)| (format!("SHOAL_{kind}_{suffix}"), value)));
    }
    variables
}

/// As a shell takes it literally.
fn quoted(text: &str) -> String {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"/._-:".contains(&c);
    match !text.is_empty() && text.bytes().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_has_its_socket_and_its_namespace() {
        let layout = Layout {
            name: "a".to_owned(),
            index: 3,
            folder: "/x/a".into(),
        };
        let variables = variables(&layout, 2, false);
        let value = |name: &str| &variables.iter().find(|(known, _)| known == name).unwrap().1;
        assert_eq!(value("SHOAL_NODES"), "node1 node2");
        assert_eq!(value("SHOAL_REGISTRY"), "10.67.0.1:5000");
        assert_eq!(value("SHOAL_CRI_NODE2"), "/x/a/node2/containerd.sock");
        assert_eq!(value("SHOAL_NETNS_NODE1"), "shoal-a-node1");
        assert!(!variables.iter().any(|(name, _)| name == "SHOAL_RESTART_COMMAND"));
    }

    #[test]
    fn a_shell_reads_what_was_meant() {
        assert_eq!(quoted("/a/b.c"), "/a/b.c");
        assert_eq!(quoted("node1 node2"), "'node1 node2'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
