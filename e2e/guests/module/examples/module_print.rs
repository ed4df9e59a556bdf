//! What `command_print` does, as a core module.

#[path = "../../command/examples/command_print.rs"]
mod print;

fn main() {
    print::main();
}
