//! Climbs out of its directories by `..`, by every call that takes a path. No limit: the directory's wall must refuse each.

use guest_hostile::{Attempts, directories, open_all};
use guest_http::wasip2::filesystem::types::{ErrorCode, PathFlags};
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

const PATHS: [&str; 8] = [
    "..",
    "../",
    "./..",
    "../.",
    "../../../../../../../../etc/passwd",
    "sub/../../../../../../../../etc/passwd",
    "./sub/./../../escaped",
    "..//..//etc//passwd",
];

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut attempts = Attempts::default();
    for directory in directories() {
        // Where it may write, so that `sub/..` has something to start from.
        let _ = directory.create_directory_at("sub");
        let _ = directory.symlink_at("sub", "sub/self");
        for path in PATHS {
            open_all(&mut attempts, &directory, path);
        }
        let mut note =
            |what, result: Result<(), ErrorCode>| attempts.note(what, result.map_err(|error| error.name()));
        note("mkdir ../escaped", directory.create_directory_at("../escaped"));
        note(
            "rename sub to ../escaped",
            directory.rename_at("sub", &directory, "../escaped"),
        );
        note("symlink at ../escaped", directory.symlink_at("sub", "../escaped"));
        note(
            "link of ../../etc/passwd",
            directory.link_at(PathFlags::empty(), "../../etc/passwd", &directory, "sub/up"),
        );
        note("remove ../escaped", directory.unlink_file_at("../escaped"));
        note("rmdir ../escaped", directory.remove_directory_at("../escaped"));
        note(
            "readlink ../escaped",
            directory.readlink_at("../escaped").map(drop),
        );
    }
    attempts.answer(out);
}
