//! `build-wat FROM TO`: every `.wat` in FROM becomes a `.wasm` in TO. Runs on the host; for guests that no compiler would
//! write. Text is encoded, not validated: a guest may be wrong on purpose.

use std::path::Path;
use std::{env, fs, process};

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let [from, to] = args.as_slice() else {
        eprintln!("usage: build-wat FROM TO");
        process::exit(2);
    };
    if let Err(error) = build(Path::new(from), Path::new(to)) {
        eprintln!("build-wat: {error}");
        process::exit(1);
    }
}

fn build(from: &Path, to: &Path) -> Result<(), Box<dyn std::error::Error>> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let source = entry?.path();
        if source.extension().is_none_or(|extension| extension != "wat") {
            continue;
        }
        let binary = wat::parse_file(&source)?;
        let target = to.join(source.with_extension("wasm").file_name().unwrap_or_default());
        if fs::read(&target).ok().as_ref() != Some(&binary) {
            fs::write(target, binary)?;
        }
    }
    Ok(())
}
