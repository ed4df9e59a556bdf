//! The component of the canary pod, from its text.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=src/canary/canary.wat");
    let component = wat::parse_file("src/canary/canary.wat")?;
    let folder = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    std::fs::write(Path::new(&folder).join("canary.wasm"), component)?;
    Ok(())
}
