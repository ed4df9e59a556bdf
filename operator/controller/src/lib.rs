//! The operator: watches WasmServices and what belongs to them, applies what `shoal-plan` says should be there, and says what became
//! of it. Nothing is decided here; what is here talks to the API server and to registries.
//!
//! ```text
//! lease ──> leader ──> scope (all namespaces, or one) ── cache: watches ──> reconcile ── gather ──> plan ──> apply, status, events
//!             │                                                               registry, referred ──┘            │
//!             └── fence: every write asks it first ─────────────────────────────────────────────────────────────┘
//!           nodes: a few at a time get the installer, then the runtime's label
//! ```

mod apply;
mod cache;
mod callees;
mod context;
mod create_failures;
mod error;
mod events;
mod fence;
mod gather;
mod http;
mod leader;
mod lease;
mod metrics;
mod nodes;
mod options;
mod pull_secrets;
mod reconcile;
mod referred;
mod registry;
mod run;
#[cfg(test)]
mod scenarios;
mod scope;
mod uninstall;
mod users;

pub use options::Command;

use anyhow::Context;
use std::process::ExitCode;

/// Runs a command to its end.
pub fn main(command: Command) -> ExitCode {
    command.log().start();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = runtime.context("start threads").and_then(|runtime| {
        runtime.block_on(async {
            match command {
                Command::Run(options) => run::run(*options).await,
                Command::Uninstall(options) => uninstall::run(&options).await,
            }
        })
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
