//! C: wit-bindgen makes the bindings, clang or zig a core module, and our own compiler's process the component.

use super::project::Project;
use super::tools::{Run, Tools, missing};
use crate::failure::Failure;
use shoal_compile::Compiler;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where Debian's wasi-libc is.
const HEADERS: &str = "/usr/include/wasm32-wasi";

pub(super) async fn build(project: &Project, tools: &Tools) -> Result<(), Failure> {
    let bindgen = tools.need("wit-bindgen", "cargo install wit-bindgen-cli")?;
    let compiler = compiler(tools)?;
    let folder = project.folder.as_path();
    let (work, bindings) = (folder.join("build"), folder.join("build/bindings"));
    let told = |error: std::io::Error| Failure::Other(format!("{}: {error}", bindings.display()));
    // Those of an earlier world would be compiled along with it.
    if bindings.exists() {
        std::fs::remove_dir_all(&bindings).map_err(told)?;
    }
    std::fs::create_dir_all(&bindings).map_err(told)?;
    Run::new(bindgen, folder)
        .arg("c")
        .arg(project.wit()?)
        .arg("--out-dir")
        .arg(&bindings)
        .run()
        .await?;
    let core = work.join("core.wasm");
    let (program, first) = compiler
        .split_first()
        .ok_or_else(|| Failure::Other("no compiler".to_owned()))?;
    Run::new(program, folder)
        .args(first)
        .args(["-O2", "-Wall", "-mexec-model=reactor", "-I"])
        .arg(&bindings)
        .arg("-o")
        .arg(&core)
        .args(files(folder, &[".c"]))
        .args(files(&bindings, &[".c", ".o"]))
        .run()
        .await?;
    Compiler::locate()?
        .componentize(&core, &project.new_file())
        .await?;
    Ok(())
}

/// The files of a folder with one of these endings, in a fixed order.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let entries = folder
        .read_dir()
        .into_iter()
        .flatten()
        .flatten()
        .map(|it| it.path());
    let wanted = |path: &PathBuf| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        endings.iter().any(|it| name.ends_with(it))
    };
    let mut found: Vec<_> = entries.filter(wanted).collect();
    found.sort();
    found
}

/// A C compiler for WASI, with the arguments that make it one.
fn compiler(tools: &Tools) -> Result<Vec<OsString>, Failure> {
    let clang = tools.find("clang").filter(|_| Path::new(HEADERS).is_dir());
    choose(
        std::env::var_os("WASI_SDK_PATH").map(PathBuf::from),
        clang,
        tools.find("zig"),
    )
    .ok_or_else(|| {
        missing(
            "a C compiler for WASI",
            "on Debian or Ubuntu, apt-get install clang lld wasi-libc libclang-rt-dev-wasm32; elsewhere zig (https://ziglang.org), \
             or the WASI SDK with WASI_SDK_PATH set to it",
        )
    })
}

fn choose(sdk: Option<PathBuf>, clang: Option<PathBuf>, zig: Option<PathBuf>) -> Option<Vec<OsString>> {
    let line = |program: PathBuf, arguments: &[&str]| {
        let arguments = arguments.iter().map(OsString::from);
        std::iter::once(program.into_os_string())
            .chain(arguments)
            .collect()
    };
    // The SDK's older name of the target is the one that all of them know.
    sdk.map(|it| line(it.join("bin/clang"), &["--target=wasm32-wasi"]))
        .or_else(|| clang.map(|it| line(it, &["--target=wasm32-wasi"])))
        .or_else(|| zig.map(|it| line(it, &["cc", "-target", "wasm32-wasi"])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_named_comes_before_what_was_found() {
        let of = |sdk: Option<&str>, clang: Option<&str>, zig: Option<&str>| {
            let line = choose(sdk.map(Into::into), clang.map(Into::into), zig.map(Into::into));
            line.map(|it| it.join(std::ffi::OsStr::new(" ")).into_string().unwrap())
        };
        let (clang, zig) = (Some("/bin/clang"), Some("/bin/zig"));
        assert_eq!(
            of(Some("/sdk"), clang, zig).unwrap(),
            "/sdk/bin/clang --target=wasm32-wasi"
        );
        assert_eq!(of(None, clang, zig).unwrap(), "/bin/clang --target=wasm32-wasi");
        assert_eq!(of(None, None, zig).unwrap(), "/bin/zig cc -target wasm32-wasi");
        assert_eq!(of(None, None, None), None);
    }

    #[test]
    fn files_come_in_an_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.c", "a.c", "a.h", "x_component_type.o"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = files(folder.path(), &[".c", ".o"]);
        let names: Vec<_> = found
            .iter()
            .map(|it| it.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["a.c", "b.c", "x_component_type.o"]);
    }
}
