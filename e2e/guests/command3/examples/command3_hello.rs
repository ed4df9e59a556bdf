//! Prints its arguments and copies stdin to stdout by the streams of wasi:cli 0.3; exits with N where an argument says
//! `exit=N`.

use wasip3::cli::{environment, exit, stdin, stdout};
use wasip3::wit_stream;

struct Hello;

wasip3::cli::command::export!(Hello);

impl wasip3::exports::cli::run::Guest for Hello {
    async fn run() -> Result<(), ()> {
        let args = environment::get_arguments();
        let (mut out, reader) = wit_stream::new();
        let printed = stdout::write_via_stream(reader);
        for arg in args.iter().skip(1) {
            out.write_all(format!("arg {arg}\n").into_bytes()).await;
        }
        let (mut input, _end) = stdin::read_via_stream();
        while let Some(byte) = input.next().await {
            out.write_all(vec![byte]).await;
        }
        drop(out);
        printed.await.map_err(|_| ())?;
        if let Some(code) = args
            .iter()
            .find_map(|arg| arg.strip_prefix("exit=")?.parse().ok())
        {
            exit::exit_with_code(code);
        }
        Ok(())
    }
}
