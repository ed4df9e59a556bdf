//! Several components in, one out. How they are composed is `shoal-compose`'s business; here they are read.

use crate::report::Graph;
use anyhow::{Context, bail};
use shoal_compose::{ComposeError, Link, MAX_BYTES, Part, SHAREABLE, unversioned};
use std::io::Read;

/// The longest graph that is read: as many parts as there may be, with as many links as they may have.
const MAX_GRAPH: u32 = 4 << 20;

/// Reads a graph and its parts, and composes them.
///
/// # Errors
///
/// The outer one where the parent says what nobody understands, the inner one where the parts don't fit together.
pub(super) fn read(mut input: impl Read) -> anyhow::Result<Result<Vec<u8>, ComposeError>> {
    let mut length = [0; 4];
    input.read_exact(&mut length).context("read the graph")?;
    let length = u32::from_le_bytes(length);
    if length > MAX_GRAPH {
        bail!("the graph has {length} bytes");
    }
    let mut graph = vec![0; length as usize];
    input.read_exact(&mut graph).context("read the graph")?;
    let Graph { parts: nodes } = serde_json::from_slice(&graph).context("read the graph")?;
    let Some(root) = nodes.first().map(|node| node.name.clone()) else {
        bail!("the graph has no parts");
    };
    let bytes = nodes.iter().map(|node| node.size).sum::<u64>();
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    if bytes > MAX_BYTES {
        return Ok(Err(ComposeError::TooLarge { root, bytes }));
    }
    let mut read = Vec::new();
    for node in nodes {
        let mut wasm = Vec::new();
        let got = (&mut input).take(node.size).read_to_end(&mut wasm);
        if got.context("read a part")? as u64 != node.size {
            bail!("part {} is cut off", node.name);
        }
        let links = node.links.into_iter();
        let links = links.map(|link| Link {
            import: link.import,
            part: link.part,
        });
        read.push((node.name, wasm, links.collect::<Vec<_>>()));
    }
    let parts: Vec<_> = read
        .iter()
        .map(|(name, wasm, links)| Part { name, wasm, links })
        .collect();
    let shared = |name: &str| SHAREABLE.contains(&unversioned(name));
    Ok(shoal_compose::compose(&root, &parts, &shared).map(|it| it.wasm))
}
