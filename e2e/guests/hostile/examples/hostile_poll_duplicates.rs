//! Polls a list of four million entries that name one timer: a list costs the guest four bytes an entry and the host far more.
//! The limit on what one call may pass must stop it, or the memory limit.

use guest_http::wasip2::clocks::monotonic_clock::subscribe_duration;
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::wasip2::io::poll::poll;
use guest_http::{Query, answer};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let timer = subscribe_duration(0);
    let list = vec![&timer; Query::of(&request).number("n", 4_000_000) as usize];
    let ready = poll(&list);
    answer(out, 200, format_args!("{} ready\n", ready.len()));
}
