//! Opens absolute paths, raw and by way of std. No limit: the directory's wall must refuse each.

use guest_hostile::{Attempts, directories, open_all};
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

const PATHS: [&str; 7] = [
    "/",
    "/etc/passwd",
    "//etc/passwd",
    "/./etc/passwd",
    "/proc/self/environ",
    "/proc/self/mem",
    "/dev/null",
];

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut attempts = Attempts::default();
    for directory in directories() {
        for path in PATHS {
            open_all(&mut attempts, &directory, path);
        }
    }
    for path in PATHS {
        attempts.note(format_args!("std::fs::read {path}"), std::fs::read(path));
        attempts.note(format_args!("std::fs::read_dir {path}"), std::fs::read_dir(path));
    }
    attempts.answer(out);
}
