//! `shoal version`: which Shoal this is, for bug reports and programs.

use crate::Outcome;
use crate::console::Console;
use serde_json::json;

pub(crate) fn version(console: &Console) -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let value = json!({
        "version": version,
        "apiVersion": shoal_api::API_VERSION,
        "platform": format!("{os}/{arch}"),
    });
    console.result(&value, || {
        format!("shoal {version} ({os}/{arch}, {})\n", shoal_api::API_VERSION)
    })
}
