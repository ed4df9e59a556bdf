//! Tries the grants and limits of a core module, one thing for each first argument. `files PATH…` prints files; `clocks` the steps of
//! both clocks; `handles PATH` opens a file until it can't; `memory` takes memory for ever; `loop` computes for ever; `sleep` sleeps for
//! ever; `random` asks for too much; `socket` asks for a connection.

use std::process::ExitCode;
use std::time::Duration;

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_res_get(clock: i32, out: *mut u64) -> i32;
    fn clock_time_get(clock: i32, precision: u64, out: *mut u64) -> i32;
    fn random_get(buffer: *mut u8, length: usize) -> i32;
    fn sock_accept(fd: i32, flags: i32, out: *mut i32) -> i32;
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (what, paths) = args.split_first().expect("what to try");
    match what.as_str() {
        "files" => return files(paths),
        "clocks" => (0..2).for_each(clock),
        "handles" => loop {
            let file = std::fs::File::open(&paths[0]).expect("a file");
            std::mem::forget(file);
        },
        "memory" => loop {
            std::mem::forget(std::hint::black_box(vec![1u8; 1 << 20]));
        },
        "loop" => loop {
            std::hint::spin_loop();
        },
        "sleep" => std::thread::sleep(Duration::from_secs(3600)),
        "random" => {
            let mut buffer = vec![0; 5 << 20];
            // SAFETY: the buffer has as many bytes.
            println!("random {}", unsafe {
                random_get(buffer.as_mut_ptr(), buffer.len())
            });
        }
        "socket" => {
            let mut out = 0;
            // SAFETY: there is room for what it writes.
            println!("socket {}", unsafe { sock_accept(0, 0, &mut out) });
        }
        other => panic!("{other}"),
    }
    ExitCode::SUCCESS
}

fn files(paths: &[String]) -> ExitCode {
    for path in paths {
        match std::fs::read_to_string(path) {
            Ok(text) => print!("{text}"),
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// What a clock says of its resolution, and whether 100 steps of it are multiples of it.
fn clock(id: i32) {
    let read = |call: &dyn Fn(*mut u64) -> i32| {
        let mut out = 0;
        assert_eq!(call(&mut out), 0);
        out
    };
    // SAFETY: there is room for what they write.
    let resolution = read(&|out| unsafe { clock_res_get(id, out) });
    // SAFETY: the same.
    let now = || read(&|out| unsafe { clock_time_get(id, 1, out) });
    let first = now();
    let coarse = (0..100).all(|_| (now() - first) % resolution == 0);
    println!(
        "clock {id} resolution {resolution} in whole steps {coarse} above zero {}",
        first > 0
    );
}
