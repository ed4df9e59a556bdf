//! `shoal pull`: a component from a registry into the cache, or into a file.

use crate::console::Console;
use crate::failure::Failure;
use crate::registry::{self, Registry};
use crate::{Global, Outcome, setup};
use clap::Args;
use serde_json::json;
use shoal_artifact::{PullPolicy, Source};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Pull a component into the cache, verify it, and print its digest
#[derive(Args, Debug)]
pub(crate) struct Pull {
    /// What to pull: [registry/]repository[:tag][@digest], oci:FOLDER for an OCI layout, or a file
    #[arg(value_parser = registry::source)]
    reference: Source,
    /// Write the WebAssembly to this file as well; - for standard output
    #[arg(short = 'O', long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    registry: Registry,
}

pub(crate) async fn pull(options: Pull, global: &Global, console: &Console) -> Outcome {
    let Pull {
        reference: source,
        file,
        registry,
    } = options;
    let cache = setup::cache(global)?;
    let bar = console.bars.listener(&source.to_string());
    let artifact = cache
        .fetch(&source, &registry.fetch(PullPolicy::Always), &*bar)
        .await?;
    drop(bar);
    let path = match file {
        Some(file) if file == Path::new("-") => {
            let wasm = std::fs::File::open(&artifact.path);
            let written = wasm.and_then(|mut wasm| std::io::copy(&mut wasm, &mut std::io::stdout().lock()));
            return written
                .map(|_| 0)
                .map_err(|error| Failure::new(format!("cannot write to standard output: {error}")));
        }
        Some(file) => {
            copy(&artifact.path, &file)
                .map_err(|error| Failure::new(format!("cannot write {}: {error}", file.display())))?;
            file
        }
        None => artifact.path.clone(),
    };
    let value = json!({
        "digest": artifact.digest.to_string(),
        "size": artifact.size,
        "format": artifact.format,
        "reference": artifact.reference_resolved,
        "path": path,
    });
    console.result(&value, || format!("{}\n", artifact.digest))
}

/// Copies, so that `to` is the old file or the whole new one. The copy is readable as a new file would be: the cache's is not.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if to.exists() && !to.is_file() {
        // A device or pipe can't be replaced, only written to.
        let mut out = std::fs::OpenOptions::new().write(true).open(to)?;
        std::io::copy(&mut std::fs::File::open(from)?, &mut out)?;
        return Ok(());
    }
    let folder = to
        .parent()
        .filter(|it| !it.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut out = builder.prefix(".shoal-pull-").tempfile_in(folder)?;
    std::io::copy(&mut std::fs::File::open(from)?, &mut out)?;
    out.flush()?;
    out.persist(to).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_others_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&from, "new").unwrap();
        std::fs::set_permissions(&from, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&to, "old and longer").unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "new");
        assert_ne!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0);
        assert_eq!(folder.path().read_dir().unwrap().count(), 2);
        copy(&from, Path::new("/dev/null")).unwrap();
        assert!(!Path::new("/dev/null").is_file());
    }
}
