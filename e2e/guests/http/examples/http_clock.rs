//! Watches both clocks: the resolution they claim, and the smallest step between readings until each has moved `?steps=` times
//! (20 unless told) or was read a million times.

use std::fmt::Write as _;

use guest_http::wasip2::clocks::{monotonic_clock, wall_clock};
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, answer};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let steps = Query::of(&request).number("steps", 20);
    let wall = |time: wall_clock::Datetime| time.seconds * 1_000_000_000 + u64::from(time.nanoseconds);
    let mut text = String::new();
    let mut tell = |name, resolution: u64, seen: Seen| {
        let Seen {
            smallest,
            moved,
            back,
        } = seen;
        writeln!(
            text,
            "{name}: resolution {resolution} ns, smallest step {smallest} ns, moved {moved}, back {back}"
        )
        .unwrap();
    };
    tell(
        "monotonic",
        monotonic_clock::resolution(),
        watch(steps, monotonic_clock::now),
    );
    tell(
        "wall",
        wall(wall_clock::resolution()),
        watch(steps, || wall(wall_clock::now())),
    );
    answer(out, 200, text);
}

/// What was seen of a clock; 0 as the smallest step where it never moved.
struct Seen {
    smallest: u64,
    moved: u64,
    back: u64,
}

fn watch(steps: u64, now: impl Fn() -> u64) -> Seen {
    let mut seen = Seen {
        smallest: 0,
        moved: 0,
        back: 0,
    };
    let mut last = now();
    for _ in 0..1_000_000 {
        let time = now();
        if time > last {
            let step = time - last;
            seen.smallest = if seen.moved == 0 {
                step
            } else {
                seen.smallest.min(step)
            };
            seen.moved += 1;
        } else if time < last {
            seen.back += 1;
        }
        last = time;
        if seen.moved == steps {
            break;
        }
    }
    seen
}
