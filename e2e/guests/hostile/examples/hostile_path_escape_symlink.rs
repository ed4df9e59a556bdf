//! Climbs out of its directories by symbolic links: those that it makes itself, where it may write, and those that `?link=`
//! names, which lay there before. No limit: the directory's wall must refuse to follow each.

use guest_hostile::{Attempts, directories, open_all, read_only};
use guest_http::Query;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

/// What the links hold, and a path that leads through them.
const LINKS: [(&str, &str, &str); 6] = [
    ("..", "hostile-up", "hostile-up/."),
    ("../../../../../../../../etc", "hostile-etc", "hostile-etc/passwd"),
    (
        "../../../../../../../../etc/passwd",
        "hostile-file",
        "hostile-file",
    ),
    ("hostile-up/hostile-up", "hostile-chain", "hostile-chain/."),
    (
        "../../../../../../../../proc/self/root",
        "hostile-root",
        "hostile-root/etc/passwd",
    ),
    ("hostile-loop", "hostile-loop", "hostile-loop"),
];

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let mut attempts = Attempts::default();
    for directory in directories() {
        // All are made before the first is tried, since one leads through another.
        let made = LINKS.map(|(holds, link, _)| directory.symlink_at(holds, link));
        for ((_, _, path), made) in LINKS.into_iter().zip(&made) {
            if !read_only(made) {
                open_all(&mut attempts, &directory, path);
            }
        }
        for (_, link, _) in LINKS {
            let _ = directory.unlink_file_at(link);
        }
        for absolute in ["/etc/passwd", "/", "/proc/self/environ"] {
            attempts.note(
                format_args!("symlink to {absolute}"),
                directory.symlink_at(absolute, "hostile-absolute"),
            );
            let _ = directory.unlink_file_at("hostile-absolute");
        }
        for link in Query::of(&request).all("link") {
            open_all(&mut attempts, &directory, link);
        }
    }
    attempts.answer(out);
}
