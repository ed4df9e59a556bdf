//! End-to-end tests of the real `shoal`, a module for each subject. What they share is in `shoal_e2e`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests; clippy sees helper functions as something else"
)]

mod artifacts;
mod clocks;
mod commands;
mod examples;
mod files;
mod hostile;
mod http;
mod http_bodies;
mod http_routes;
mod http_streams;
mod http_target;
mod instances;
mod key_value;
mod limits;
mod links;
mod manifests;
mod modules;
mod outbound;
mod outbound_tls;
mod persistent;
mod platforms;
mod refusals;
mod registry;
mod service_links;
mod services;
mod shares;
mod shutdown;
mod sockets;
mod stores;
mod streams;
mod triggers;
mod values;
mod wasi3;
mod watch;
