//! Which files of the cache go when room is needed. Pure: `room` looks at the files and removes them.

use std::time::SystemTime;

/// Something that is removed as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// Bytes on disk.
    pub(crate) size: u64,
    /// When it was last asked for.
    pub(crate) used: SystemTime,
    /// Whether somebody runs it or works on it now.
    pub(crate) in_use: bool,
    /// Whether it was made for another build of the engine.
    pub(crate) stale: bool,
}

/// The positions of those that go so that `wanted` bytes are free, in their order: what another engine was compiled for, then the least
/// recently used. Never one in use: so they may free less.
pub(crate) fn choose(candidates: &[Candidate], wanted: u64) -> Vec<usize> {
    let mut order: Vec<_> = candidates
        .iter()
        .enumerate()
        .filter(|(_, it)| !it.in_use)
        .collect();
    order.sort_by_key(|(at, it)| (!it.stale, it.used, *at));
    let mut freed = 0;
    let needed = order.into_iter().take_while(|(_, it)| {
        let more = freed < wanted;
        freed += it.size;
        more
    });
    needed.map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Of this size, used so many seconds after the epoch; `*` is in use, `-` is stale.
    fn candidate(text: &str) -> Candidate {
        let (size, used) = text.trim_end_matches(['*', '-']).split_once('@').unwrap();
        Candidate {
            size: size.parse().unwrap(),
            used: SystemTime::UNIX_EPOCH + Duration::from_secs(used.parse().unwrap()),
            in_use: text.contains('*'),
            stale: text.contains('-'),
        }
    }

    #[test]
    fn the_least_recently_used_go_first_and_never_what_is_in_use() {
        for (candidates, wanted, gone) in [
            ("", 1, &[][..]),
            ("10@3 10@1 10@2", 0, &[]),
            ("10@3 10@1 10@2", 1, &[1]),
            ("10@3 10@1 10@2", 10, &[1]),
            ("10@3 10@1 10@2", 11, &[1, 2]),
            ("10@3 10@1 10@2", 1000, &[1, 2, 0]),
            // What is in use stays, however old, and frees nothing.
            ("10@3 10@1* 10@2", 15, &[2, 0]),
            ("10@1* 10@2*", 5, &[]),
            // Another engine's go before all that is used now; in use they stay, too.
            ("10@3 10@9- 10@2", 5, &[1]),
            ("10@3 10@9-* 10@2 10@8-", 15, &[3, 2]),
            // Empty files free nothing.
            ("0@1 5@2", 5, &[0, 1]),
            // Of the same moment, in the order of their names.
            ("1@1 1@1 1@1", 2, &[0, 1]),
        ] {
            let all: Vec<_> = candidates.split_whitespace().map(candidate).collect();
            assert_eq!(choose(&all, wanted), gone, "{candidates} for {wanted}");
        }
    }
}
