//! What hostile guests share: trying things that must be refused, and telling what came of it. What each tries stands in its
//! own file.

use std::fmt::{Debug, Display, Write as _};

use guest_http::answer;
use guest_http::wasip2::filesystem::preopens::get_directories;
use guest_http::wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};
use guest_http::wasip2::http::types::ResponseOutparam;

/// Attempts at something forbidden. Ends as a 200 that starts with "held" where all were refused, as a 500 that starts with
/// "escaped" where one was not, with a line for each attempt.
#[derive(Default)]
pub struct Attempts {
    escaped: bool,
    lines: String,
}

impl Attempts {
    /// Notes an attempt by what came of it: `Ok` is an escape.
    pub fn note<T, E: Debug>(&mut self, what: impl Display, result: Result<T, E>) {
        match result {
            Ok(_) => {
                self.escaped = true;
                writeln!(self.lines, "ESCAPED {what}").unwrap();
            }
            Err(error) => writeln!(self.lines, "refused {what}: {error:?}").unwrap(),
        }
    }

    /// Answers with all of it.
    pub fn answer(self, out: ResponseOutparam) {
        let (status, verdict) = if self.escaped {
            (500, "escaped")
        } else {
            (200, "held")
        };
        answer(out, status, format_args!("{verdict}\n{}", self.lines));
    }
}

/// Every directory that was granted; a path escape starts at each.
pub fn directories() -> Vec<Descriptor> {
    get_directories()
        .into_iter()
        .map(|(directory, _)| directory)
        .collect()
}

/// Opens `path` below `directory` in every way that there is, following links.
pub fn open_all(attempts: &mut Attempts, directory: &Descriptor, path: &str) {
    let follow = PathFlags::SYMLINK_FOLLOW;
    let open = |open, flags| {
        directory
            .open_at(follow, path, open, flags)
            .map_err(|error| error.name())
    };
    attempts.note(
        format_args!("open {path} to read"),
        open(OpenFlags::empty(), DescriptorFlags::READ),
    );
    attempts.note(
        format_args!("open {path} as a directory"),
        open(OpenFlags::DIRECTORY, DescriptorFlags::READ),
    );
    attempts.note(
        format_args!("open {path} to write"),
        open(OpenFlags::CREATE, DescriptorFlags::WRITE),
    );
    attempts.note(
        format_args!("open {path} to change the directory"),
        open(
            OpenFlags::DIRECTORY,
            DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY,
        ),
    );
    attempts.note(
        format_args!("stat {path}"),
        directory.stat_at(follow, path).map_err(|error| error.name()),
    );
}

/// Whether a write access was refused for want of the grant, which ends an attempt before it starts.
pub fn read_only<T>(result: &Result<T, ErrorCode>) -> bool {
    matches!(
        result,
        Err(ErrorCode::ReadOnly | ErrorCode::NotPermitted | ErrorCode::Access)
    )
}
