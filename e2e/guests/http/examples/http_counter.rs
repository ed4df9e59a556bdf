//! Counts the requests that this instance has served: always 1 where every request gets a fresh one.

use std::sync::atomic::{AtomicU64, Ordering};

use guest_http::answer;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

static SERVED: AtomicU64 = AtomicU64::new(0);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    answer(
        out,
        200,
        format_args!("{}\n", SERVED.fetch_add(1, Ordering::Relaxed) + 1),
    );
}
