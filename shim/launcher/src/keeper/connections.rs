//! containerd's connections and, for each that has asked something, one to the daemon. What passes over them is `exchange`'s.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::exchange::{Dropped, Exchange};
use super::log;
use super::poller::{Interest, Poller, Ready};
use super::socket::{self, Heard};

/// How long until the daemon's socket is tried again: short, since requests wait, and a new daemon listens within milliseconds.
const RETRY: Duration = Duration::from_millis(5);
/// What is read at once.
const BUFFER: usize = 16 * 1024;
/// Connections have the numbers from here on, two each.
pub(crate) const FIRST_NUMBER: u64 = 16;

/// See above.
#[derive(Debug)]
pub(crate) struct Connections {
    daemon_socket: PathBuf,
    all: HashMap<u64, Connection>,
    next: u64,
    /// Those that have something to ask and no daemon to ask it of.
    waiting: VecDeque<u64>,
    retry_at: Option<Instant>,
    buffer: Box<[u8]>,
}

#[derive(Debug)]
struct Connection {
    client: Side,
    daemon: Option<Side>,
    exchange: Exchange,
    /// It had a connection to a daemon, which has ended.
    lost_one: bool,
}

#[derive(Debug)]
struct Side {
    socket: OwnedFd,
    number: u64,
    interest: Interest,
}

/// A connection is of no more use.
struct Over;

impl Connections {
    pub(crate) fn new(daemon_socket: PathBuf) -> Connections {
        Connections {
            daemon_socket,
            all: HashMap::new(),
            next: FIRST_NUMBER / 2,
            waiting: VecDeque::new(),
            retry_at: None,
            buffer: vec![0; BUFFER].into_boxed_slice(),
        }
    }

    /// A new connection of containerd's.
    pub(crate) fn add(&mut self, poller: &Poller, socket: OwnedFd) {
        let id = self.next;
        self.next += 1;
        match Side::watched(poller, socket, id * 2) {
            Ok(client) => {
                let connection = Connection {
                    client,
                    daemon: None,
                    exchange: Exchange::default(),
                    lost_one: false,
                };
                self.all.insert(id, connection);
            }
            Err(error) => log::line(format_args!("a connection cannot be watched ({error}): closed")),
        }
    }

    /// Something has happened on a connection.
    pub(crate) fn handle(&mut self, poller: &Poller, ready: Ready) {
        let id = ready.number / 2;
        let Some(connection) = self.all.get_mut(&id) else {
            return;
        };
        let outcome = if ready.number.is_multiple_of(2) {
            connection.client_ready(ready, &mut self.buffer)
        } else {
            connection.daemon_ready(poller, ready, &mut self.buffer);
            Ok(())
        };
        self.settle(poller, id, outcome);
    }

    /// When `retry` has something to do.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Connects those that wait for a daemon, as far as one listens.
    pub(crate) fn retry(&mut self, poller: &Poller) {
        self.retry_at = None;
        while let Some(id) = self.waiting.pop_front() {
            let Some(connection) = self.all.get_mut(&id) else {
                continue;
            };
            if connection.daemon.is_some() || !connection.exchange.needs_daemon() {
                continue;
            }
            let reached = socket::connect_to(&self.daemon_socket)
                .and_then(|socket| Side::watched(poller, socket, id * 2 + 1));
            let Ok(daemon) = reached else {
                self.waiting.push_front(id);
                self.retry_at = Some(Instant::now() + RETRY);
                return;
            };
            connection.daemon = Some(daemon);
            connection.exchange.daemon_came(Instant::now());
            self.settle(poller, id, Ok(()));
        }
    }

    /// Writes what can be written, and waits for what there is to wait for.
    fn settle(&mut self, poller: &Poller, id: u64, outcome: Result<(), Over>) {
        let Some(connection) = self.all.get_mut(&id) else {
            return;
        };
        if outcome.and_then(|()| connection.proceed(poller)).is_err() {
            // Closing both sockets ends their being watched.
            self.all.remove(&id);
            return;
        }
        if connection.daemon.is_none() && connection.exchange.needs_daemon() && !self.waiting.contains(&id) {
            self.waiting.push_back(id);
            // A daemon that closes what it does not like must not be asked without pause.
            let pause = if connection.lost_one {
                RETRY
            } else {
                Duration::ZERO
            };
            self.retry_at.get_or_insert_with(|| Instant::now() + pause);
        }
    }
}

impl Connection {
    fn client_ready(&mut self, ready: Ready, buffer: &mut [u8]) -> Result<(), Over> {
        if ready.readable && (self.exchange.reads_client() || ready.hung_up) {
            match socket::hear(&self.client.socket, buffer) {
                Heard::Bytes(count) => {
                    let input = buffer.get(..count).unwrap_or_default();
                    report(
                        &self
                            .exchange
                            .client_sent(input, self.daemon.is_some(), Instant::now()),
                    );
                }
                Heard::Nothing => {}
                Heard::End => return Err(Over),
            }
        }
        Ok(())
    }

    fn daemon_ready(&mut self, poller: &Poller, ready: Ready, buffer: &mut [u8]) {
        let Some(daemon) = &self.daemon else { return };
        if ready.readable && (self.exchange.reads_daemon() || ready.hung_up) {
            match socket::hear(&daemon.socket, buffer) {
                Heard::Bytes(count) => {
                    report(&self.exchange.daemon_sent(buffer.get(..count).unwrap_or_default()));
                }
                Heard::Nothing => {}
                Heard::End => self.daemon_went(poller),
            }
        }
    }

    fn proceed(&mut self, poller: &Poller) -> Result<(), Over> {
        if let Some(daemon) = &mut self.daemon {
            let sent = socket::flush(&daemon.socket, &mut self.exchange.to_daemon);
            let interest = Interest {
                read: self.exchange.reads_daemon(),
                write: self.exchange.to_daemon.next().is_some(),
            };
            // An answer that is still unread is lost with it, and asked for again.
            if sent.is_err() || daemon.wait_for(poller, interest).is_err() {
                self.daemon_went(poller);
            }
        }
        socket::flush(&self.client.socket, &mut self.exchange.to_client).map_err(|_| Over)?;
        let interest = Interest {
            read: self.exchange.reads_client(),
            write: self.exchange.to_client.next().is_some(),
        };
        self.client.wait_for(poller, interest)
    }

    fn daemon_went(&mut self, poller: &Poller) {
        if let Some(daemon) = self.daemon.take() {
            poller.remove(&daemon.socket);
            self.lost_one = true;
        }
        self.exchange.daemon_went();
    }
}

impl Side {
    fn watched(poller: &Poller, socket: OwnedFd, number: u64) -> Result<Side, rustix::io::Errno> {
        let interest = Interest {
            read: true,
            write: false,
        };
        poller.add(socket.as_fd(), number, interest)?;
        Ok(Side {
            socket,
            number,
            interest,
        })
    }

    fn wait_for(&mut self, poller: &Poller, interest: Interest) -> Result<(), Over> {
        if interest != self.interest {
            poller
                .change(&self.socket, self.number, interest)
                .map_err(|_| Over)?;
            self.interest = interest;
        }
        Ok(())
    }
}

fn report(dropped: &[Dropped]) {
    for each in dropped {
        log::line(format_args!("{each}"));
    }
}
