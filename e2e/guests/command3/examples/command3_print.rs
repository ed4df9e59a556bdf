//! Prints one line of as many bytes as its first argument says, then as many numbered lines as the second says, by one stream of
//! wasi:cli 0.3.

use wasip3::cli::{environment, stdout};
use wasip3::wit_stream;

struct Print;

wasip3::cli::command::export!(Print);

impl wasip3::exports::cli::run::Guest for Print {
    async fn run() -> Result<(), ()> {
        let args = environment::get_arguments();
        let number = |at: usize| args.get(at).and_then(|it| it.parse().ok()).unwrap_or(0);
        let mut all = "x".repeat(number(1));
        all.push('\n');
        for n in 0..number(2) {
            all.push_str(&format!("{n:06} of those that are kept\n"));
        }
        let (mut out, reader) = wit_stream::new();
        let printed = stdout::write_via_stream(reader);
        out.write_all(all.into_bytes()).await;
        drop(out);
        printed.await.map_err(|_| ())
    }
}
