//! The compiler process. What it does is in `shoal_compile::child`.

fn main() -> anyhow::Result<()> {
    shoal_compile::child::main()
}
