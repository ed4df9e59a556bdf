//! Which version of the protocol a side speaks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the protocol, and of the records that a daemon leaves to the next. 1 is that of Shoal 0.1.0, which says none.
pub const VERSION: u32 = if cfg!(feature = "previous-protocol") { 1 } else { 2 };

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// See [`VERSION`].
    pub protocol: u32,
    /// The program's own version, for logs.
    pub build: String,
}

impl Version {
    /// That of this program; none where it speaks version 1, in which nobody said so.
    pub fn ours() -> Option<Self> {
        (VERSION > 1).then(|| Self {
            protocol: VERSION,
            build: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    /// The version of a side that said this.
    pub fn spoken(said: Option<&Self>) -> u32 {
        said.map_or(1, |version| version.protocol)
    }
}
