//! What this runtime says about itself.

use std::io::Write;

use containerd_shim_protos::protobuf::{Message, MessageField};
use containerd_shim_protos::types::introspection::{RuntimeInfo, RuntimeVersion};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// For people.
pub(crate) fn version() -> anyhow::Result<()> {
    writeln!(
        std::io::stdout(),
        "containerd-shim-shoal-v1:\n  Version:  {VERSION}"
    )?;
    Ok(())
}

/// For containerd. It writes options to standard input, which are none of this answer's business.
///
/// Nothing is said about features: those are runc's, and containerd leaves alone who does not claim them.
pub(crate) fn info() -> anyhow::Result<()> {
    let info = RuntimeInfo {
        name: "io.containerd.shoal.v1".to_owned(),
        version: MessageField::some(RuntimeVersion {
            version: VERSION.to_owned(),
            ..RuntimeVersion::default()
        }),
        ..RuntimeInfo::default()
    };
    std::io::stdout().write_all(&info.write_to_bytes()?)?;
    Ok(())
}
