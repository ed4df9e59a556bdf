//! The rows: containers and sandboxes alike, from made to ended. Who asks for them is elsewhere.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use containerd_shim_protos::protobuf::well_known_types::timestamp::Timestamp;
use containerd_shim_protos::ttrpc::{Code, Error, Result, get_status};
use tokio::sync::watch;

/// All rows, by id.
#[derive(Default)]
pub(crate) struct Table(Mutex<HashMap<String, Row>>);

/// A container or a sandbox.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) bundle: String,
    pub(crate) created: Timestamp,
    state: watch::Sender<State>,
}

/// How far a row has come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    Created,
    Running,
    Ended { status: u32, at: Timestamp },
}

impl Table {
    fn rows(&self) -> MutexGuard<'_, HashMap<String, Row>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a row.
    pub(crate) fn add(&self, id: String, bundle: String, state: State) -> Result<()> {
        let row = Row {
            bundle,
            created: now(),
            state: watch::Sender::new(state),
        };
        match self.rows().entry(id) {
            Entry::Vacant(place) => {
                place.insert(row);
                Ok(())
            }
            Entry::Occupied(taken) => Err(rpc(
                Code::ALREADY_EXISTS,
                format!("{} is there already", taken.key()),
            )),
        }
    }

    /// Finds a row.
    pub(crate) fn get(&self, id: &str) -> Result<Row> {
        let row = self.rows().get(id).cloned();
        row.ok_or_else(|| rpc(Code::NOT_FOUND, format!("there is no {id}")))
    }

    /// Removes a row.
    pub(crate) fn remove(&self, id: &str) -> Result<Row> {
        let row = self.rows().remove(id);
        row.ok_or_else(|| rpc(Code::NOT_FOUND, format!("there is no {id}")))
    }
}

impl Row {
    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    pub(crate) fn start(&self) {
        self.state.send_if_modified(|state| {
            let starts = *state == State::Created;
            if starts {
                *state = State::Running;
            }
            starts
        });
    }

    /// Ends it, unless it has ended.
    pub(crate) fn end(&self, status: u32) {
        self.state.send_if_modified(|state| {
            let ends = !matches!(state, State::Ended { .. });
            if ends {
                *state = State::Ended { status, at: now() };
            }
            ends
        });
    }

    /// Waits for its end; returns status and time.
    pub(crate) async fn wait(&self) -> (u32, Timestamp) {
        let mut state = self.state.subscribe();
        // `self` holds the sender, so there is an end to wait for.
        let ended = state.wait_for(|state| matches!(state, State::Ended { .. })).await;
        match ended.as_deref() {
            Ok(State::Ended { status, at }) => (*status, at.clone()),
            _ => (0, now()),
        }
    }
}

/// The current time, as messages have it.
pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

/// The number that stands for a process where there is none: ours, as containerd wants one that exists.
pub(crate) fn pid() -> u32 {
    std::process::id()
}

/// An error, as containerd reads it.
pub(crate) fn rpc(code: Code, message: String) -> Error {
    Error::RpcStatus(get_status(code, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_row_ends_once_and_whoever_waits_learns_how() {
        let table = Table::default();
        table.add("a".to_owned(), String::new(), State::Created).unwrap();
        assert!(table.add("a".to_owned(), String::new(), State::Created).is_err());
        let row = table.get("a").unwrap();
        row.start();
        assert_eq!(row.state(), State::Running);
        let waits = tokio::spawn({
            let row = row.clone();
            async move { row.wait().await.0 }
        });
        row.end(143);
        row.end(137);
        assert_eq!(waits.await.unwrap(), 143);
        row.start();
        assert!(matches!(row.state(), State::Ended { status: 143, .. }));
        table.remove("a").unwrap();
        assert!(table.get("a").is_err());
    }
}
