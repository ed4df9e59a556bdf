//! What a reference means now, without pulling it.

use oci_client::Reference;

use crate::http::{Access, Registry};
use crate::{ArtifactError, Digest, Transport};

/// The digest of the manifest that a node would run for `reference`: the registry is asked, and nothing is kept. Of an index, it is
/// that of the one image for WebAssembly in it.
///
/// # Errors
///
/// What the registry answered, or that it names nothing that holds WebAssembly.
pub async fn resolve(reference: &Reference, transport: &Transport) -> Result<Digest, ArtifactError> {
    let registry = Registry::open(reference, transport, Access::Pull).await?;
    let named = registry.image_manifest().await?;
    Ok(named.image)
}
