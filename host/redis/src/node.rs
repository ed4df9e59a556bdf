//! One server and the connection to it that all share. It is made when it is first needed, and again when it was lost; while that
//! fails, callers are told at once and nobody hammers the server.

use crate::bounded::TOO_LARGE;
use crate::connect::{Connector, Host, Login, name, said};
use crate::{Error, backoff};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError, Value};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long it is at the most between two attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A server.
pub(crate) struct Node {
    pub(crate) host: Host,
    state: Mutex<State>,
    /// Held by the one who connects. The others wait for what comes of it.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    connection: Option<Shared>,
    failure: Option<Failure>,
}

#[derive(Clone)]
struct Shared {
    connection: MultiplexedConnection,
    /// Tells one connection from the next.
    made: Arc<()>,
}

struct Failure {
    error: Error,
    attempts: u32,
    until: Instant,
}

impl Node {
    pub(crate) fn new(host: Host) -> Self {
        Self {
            host,
            state: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    /// Sends a command and waits for its answer.
    pub(crate) async fn run(
        &self,
        connector: &Connector,
        login: &Login,
        answers: Duration,
        command: &Cmd,
    ) -> Result<Value, Error> {
        let mut shared = self.connection(connector, login, answers).await?;
        let answer = shared.connection.send_packed_command(command).await;
        self.judged(&shared, answer, connector, answers)
    }

    /// Sends a command that a cluster's node takes although the key is only on its way to it.
    pub(crate) async fn run_asking(
        &self,
        connector: &Connector,
        login: &Login,
        answers: Duration,
        command: &Cmd,
    ) -> Result<Value, Error> {
        let mut shared = self.connection(connector, login, answers).await?;
        let mut both = redis::pipe();
        both.cmd("ASKING").add_command(command.clone());
        let answers_of = shared.connection.send_packed_commands(&both, 1, 1).await;
        let answer = answers_of.map(|all| all.into_iter().next().unwrap_or_default());
        self.judged(&shared, answer, connector, answers)
    }

    fn judged(
        &self,
        shared: &Shared,
        answer: Result<Value, RedisError>,
        connector: &Connector,
        answers: Duration,
    ) -> Result<Value, Error> {
        let judged = judged(&self.host, answer, connector.bounds.value, Some(answers));
        if let Err(Error::Broken { .. } | Error::Slow { .. }) = judged {
            let mut state = self.state();
            if state
                .connection
                .as_ref()
                .is_some_and(|now| Arc::ptr_eq(&now.made, &shared.made))
            {
                state.connection = None;
            }
        }
        judged
    }

    /// Makes the next command connect anew.
    pub(crate) fn leave(&self) {
        self.state().connection = None;
    }

    async fn connection(
        &self,
        connector: &Connector,
        login: &Login,
        answers: Duration,
    ) -> Result<Shared, Error> {
        if let Some(known) = self.known() {
            return known;
        }
        let _one_at_a_time = self.connecting.lock().await;
        if let Some(known) = self.known() {
            return known;
        }
        let connected = connector.commands(&self.host, login, Some(answers)).await;
        let mut state = self.state();
        match connected {
            Ok(connection) => {
                let shared = Shared {
                    connection,
                    made: Arc::default(),
                };
                state.failure = None;
                state.connection = Some(shared.clone());
                Ok(shared)
            }
            Err(error) => {
                let attempts = state.failure.as_ref().map_or(0, |it| it.attempts);
                let pause = backoff(attempts, LONGEST_PAUSE, rand::random());
                if attempts == 0 {
                    tracing::warn!("{error}");
                }
                state.failure = Some(Failure {
                    error: error.clone(),
                    attempts: attempts.saturating_add(1),
                    until: Instant::now() + pause,
                });
                Err(error)
            }
        }
    }

    /// A connection, or why there is none yet. None where it is time to connect.
    fn known(&self) -> Option<Result<Shared, Error>> {
        let state = self.state();
        match (&state.connection, &state.failure) {
            (Some(shared), _) => Some(Ok(shared.clone())),
            (None, Some(failure)) if Instant::now() < failure.until => Some(Err(failure.error.clone())),
            _ => None,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an answer means.
pub(crate) fn judged(
    host: &Host,
    answer: Result<Value, RedisError>,
    limit: u64,
    answers: Option<Duration>,
) -> Result<Value, Error> {
    match answer {
        Ok(Value::ServerError(error)) => Err(refused(host, &error.into(), limit)),
        Ok(value) => Ok(value),
        Err(error) if error.is_timeout() => Err(Error::Slow {
            server: name(host),
            limit: answers.unwrap_or_default(),
        }),
        Err(error) if error.code().is_some() => Err(refused(host, &error, limit)),
        Err(error) => Err(Error::Broken {
            server: name(host),
            reason: error.to_string(),
        }),
    }
}

fn refused(host: &Host, error: &RedisError, limit: u64) -> Error {
    let server = name(host);
    match (error.code(), error.detail()) {
        (Some(TOO_LARGE), bytes) => Error::TooLarge {
            server,
            bytes: bytes
                .and_then(|bytes| bytes.trim().parse().ok())
                .unwrap_or_default(),
            limit,
        },
        (code, _) => Error::Refused {
            server,
            code: code.unwrap_or_default().to_owned(),
            reason: said(error),
        },
    }
}
