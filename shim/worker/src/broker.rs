//! Connections and names, asked of the daemon. What a component may ask for was decided before, by its grants; the daemon decides
//! again, for this process may be a guest's by now.

use crate::outbox::Outbox;
use async_trait::async_trait;
use shoal_protocol::{FromWorker, Refused, TaskId, Ticket};
use shoal_service::Dialer;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Questions that the daemon has not answered yet.
pub(crate) struct Broker {
    outbox: Outbox,
    tickets: AtomicU64,
    open: Mutex<HashMap<Ticket, Question>>,
}

struct Question {
    /// To ask it again, of the next daemon.
    packet: FromWorker,
    answer: oneshot::Sender<Result<Answer, Refused>>,
}

/// What the daemon has to give.
pub(crate) enum Answer {
    Socket(OwnedFd),
    Addresses(Vec<IpAddr>),
}

/// A task's way to the network.
pub(crate) struct TaskDialer {
    broker: Arc<Broker>,
    id: TaskId,
}

impl Broker {
    pub(crate) fn new(outbox: Outbox) -> Arc<Self> {
        Arc::new(Self {
            outbox,
            tickets: AtomicU64::new(0),
            open: Mutex::default(),
        })
    }

    pub(crate) fn dialer(self: &Arc<Self>, id: &TaskId) -> Arc<TaskDialer> {
        Arc::new(TaskDialer {
            broker: Arc::clone(self),
            id: id.clone(),
        })
    }

    /// Passes an answer on. One that nobody waits for any more is dropped, and its socket closed.
    pub(crate) fn answered(&self, ticket: Ticket, answer: Result<Answer, Refused>) {
        if let Some(question) = self.open().remove(&ticket) {
            let _ = question.answer.send(answer);
        }
    }

    /// Asks a new daemon what the last one did not answer.
    pub(crate) fn ask_again(&self) {
        for question in self.open().values() {
            self.outbox.send(question.packet.clone());
        }
    }

    async fn ask(&self, packet: impl FnOnce(Ticket) -> FromWorker) -> io::Result<Answer> {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let packet = packet(ticket);
        let (answer, answered) = oneshot::channel();
        let question = Question {
            packet: packet.clone(),
            answer,
        };
        self.open().insert(ticket, question);
        let _gone = Forget(self, ticket);
        self.outbox.send(packet);
        match answered.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Refused { errno, message })) => {
                let kind = io::Error::from_raw_os_error(errno).kind();
                Err(io::Error::new(kind, message))
            }
            Err(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Ticket, Question>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guest that ends while it waits asks no more.
struct Forget<'a>(&'a Broker, Ticket);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.open().remove(&self.1);
    }
}

#[async_trait]
impl Dialer for TaskDialer {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let (id, name) = (self.id.clone(), name.to_owned());
        let question = |ticket| FromWorker::Resolve { ticket, id, name };
        match self.broker.ask(question).await? {
            Answer::Addresses(addresses) => Ok(addresses),
            Answer::Socket(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let id = self.id.clone();
        let question = |ticket| FromWorker::Connect { ticket, id, address };
        let Answer::Socket(socket) = self.broker.ask(question).await? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let stream = std::net::TcpStream::from(socket);
        stream.set_nonblocking(true)?;
        // Requests are written in one piece, and nobody gains from waiting for more.
        stream.set_nodelay(true)?;
        TcpStream::from_std(stream)
    }
}
