//! Clients that are silent, slow or many, as bytes on sockets: what the server does with them. What it is called for is in `support`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "tests; clippy sees helper functions as something else"
)]

mod full;
mod many;
mod silent;
mod slow;
mod stop;
mod support;
