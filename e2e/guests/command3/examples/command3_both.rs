//! A plain program: std's `main` is exported as `wasi:cli/run` of 0.2, and its own `run` as that of 0.3. Each prints which one it is.

use wasip3::cli::stdout;
use wasip3::wit_stream;

struct Newer;

wasip3::cli::command::export!(Newer);

impl wasip3::exports::cli::run::Guest for Newer {
    async fn run() -> Result<(), ()> {
        let (mut out, reader) = wit_stream::new();
        let printed = stdout::write_via_stream(reader);
        out.write_all(b"run by 0.3\n".to_vec()).await;
        drop(out);
        printed.await.map_err(|_| ())
    }
}

fn main() {
    println!("run by 0.2");
}
