//! `make bench-host`, `make bench-shim`, `make bench-links`: what a request, an instance, a service and a pod cost here, beside peers that are measured in the same run. What the
//! figures mean is in docs/benchmarks.md.
//!
//! One program with several parts: `host` drives, and starts the others as processes of their own, so that each measures itself
//! alone: `native` is the ceiling, `inside-*` link the host library as a worker does.

mod corpus;
mod figures;
mod greedy;
mod host;
mod inside;
mod links;
mod machine;
mod native;
mod neighbours;
mod process;
mod shim;
mod table;
mod throughput;
mod web;
mod wrk;

use clap::{Parser, Subcommand};
use std::net::SocketAddr;

/// The same as `shoal` has, since much of what is measured is allocated.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Everything, in one run: prints a table, and writes the figures as JSON.
    #[command(alias = "all")]
    Host(host::Options),
    /// Pods on a real cluster, beside runc and a shim that does nothing.
    Shim(shim::Options),
    /// Calls from one component to another: fused, in process, by HTTP.
    Links(links::Options),
    /// A server of hyper alone that answers as the component does.
    Native {
        /// Where to listen.
        address: SocketAddr,
    },
    /// Instantiation, and calls without HTTP.
    InsideCalls(inside::Options),
    /// From a compiled file that is not mapped to the first answer.
    InsideFirst(inside::Options),
    /// A change of one service among few and among many, while the others answer.
    InsideFleet(inside::Options),
    /// Memory of many services in one process.
    InsideMemory(inside::Options),
    /// A manifest's services in one process, each on a port of its own, until the end of stdin.
    InsideServe(inside::serve::Options),
}

fn main() -> anyhow::Result<()> {
    let part = Cli::parse().part;
    // As `shoal up` has it.
    let runtime = shoal_service::runtime()?;
    match part {
        Part::Host(options) => runtime.block_on(host::run(&options)),
        Part::Shim(options) => runtime.block_on(shim::run(&options)),
        Part::Links(options) => runtime.block_on(links::run(&options)),
        Part::Native { address } => runtime.block_on(native::serve(address)),
        Part::InsideCalls(options) => inside::calls::run(&options, &runtime),
        Part::InsideFirst(options) => runtime.block_on(inside::first::run(&options)),
        Part::InsideFleet(options) => runtime.block_on(inside::fleet::run(&options)),
        Part::InsideMemory(options) => runtime.block_on(inside::memory::run(&options)),
        Part::InsideServe(options) => runtime.block_on(inside::serve::run(&options)),
    }
}
