//! Imports a function that no host has, `acme.launch`: to be refused by name when it is loaded.

#[link(wasm_import_module = "acme")]
unsafe extern "C" {
    fn launch(code: i32) -> i32;
}

fn main() {
    // SAFETY: takes and returns numbers alone, and can't be linked anyway.
    std::process::exit(unsafe { launch(0) });
}
