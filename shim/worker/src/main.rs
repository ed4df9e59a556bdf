//! The program `shoal-worker`: an allocator, and the way into the library. Everything else is there.

use std::process::ExitCode;

/// glibc's heap keeps the memory of components that were dropped, and its arenas slow threads down.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    shoal_worker::main()
}
