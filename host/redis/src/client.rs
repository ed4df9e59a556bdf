//! Commands to a Redis, whatever it is made of and wherever its master is now.

use crate::bounded::Bounds;
use crate::cluster::{Slots, slot, target};
use crate::connect::{Connector, Dial, Host, LocalDial, Login, name};
use crate::node::{Node, judged};
use crate::{Address, Error, Topology, sentinel, tls};
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{Cmd, Value, cmd};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How a client works.
#[derive(Clone)]
pub struct Options {
    /// How long connecting may take: resolving, TCP, TLS, logging in. 3 s by default.
    pub connect_timeout: Duration,
    /// How long an answer may take. 5 s by default.
    pub answer_timeout: Duration,
    /// Bytes of one value in an answer. 1 MiB by default.
    pub value_limit: u64,
    /// Bytes of all values of one answer. 16 MiB by default.
    pub answer_limit: u64,
    /// The certificate authorities that a server's certificate must come from, as PEM; by default those that browsers trust.
    pub authorities: Option<Vec<u8>>,
    /// Who makes the connections.
    pub dial: Arc<dyn Dial>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            answer_timeout: Duration::from_secs(5),
            value_limit: 1 << 20,
            answer_limit: 16 << 20,
            authorities: None,
            dial: Arc::new(LocalDial),
        }
    }
}

/// How often a command is sent anew at the most, where it certainly had no effect or may have it twice.
const AGAIN: u32 = 4;

/// A Redis.
pub struct Client {
    address: Address,
    connector: Connector,
    login: Login,
    answers: Duration,
    nodes: Mutex<HashMap<Host, Arc<Node>>>,
    /// Where the sentinels said that the master is.
    master: tokio::sync::Mutex<Option<Host>>,
    slots: tokio::sync::Mutex<Option<Slots>>,
}

/// A connection of one's own. It ends where something goes wrong with it.
pub struct Apart {
    host: Host,
    connection: MultiplexedConnection,
    limit: u64,
}

impl Client {
    /// A client, which connects when it is first used.
    ///
    /// # Errors
    ///
    /// Where the certificate authorities are not in PEM.
    pub fn new(address: Address, options: Options) -> std::io::Result<Self> {
        let tls = match address.tls {
            true => Some(tls::config(options.authorities.as_deref())?),
            false => None,
        };
        let login = Login {
            user: address.user.clone(),
            password: address.password.clone(),
            database: address.database,
        };
        Ok(Self {
            connector: Connector {
                dial: options.dial,
                tls,
                bounds: Bounds {
                    value: options.value_limit,
                    answer: options.answer_limit,
                },
                connect_timeout: options.connect_timeout,
            },
            address,
            login,
            answers: options.answer_timeout,
            nodes: Mutex::default(),
            master: tokio::sync::Mutex::default(),
            slots: tokio::sync::Mutex::default(),
        })
    }

    /// Runs a command on the server that has `key`. Where the connection breaks, nobody knows whether the command was carried out:
    /// one that is `repeatable` is then sent anew.
    ///
    /// # Errors
    ///
    /// Where there is no answer, or the server refuses.
    pub async fn run(&self, key: &[u8], command: &Cmd, repeatable: bool) -> Result<Value, Error> {
        let mut tries = 0;
        loop {
            let node = self.node_of(key).await?;
            let mut result = self.on(&node, command).await;
            if let Err(error) = &result
                && error.code() == "ASK"
                && let Some(host) = target(&error.to_string(), &node.host)
            {
                let there = self.node(&host);
                result = there
                    .run_asking(&self.connector, &self.login, self.answers, command)
                    .await;
            }
            let error = match result {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let moved = error.code() == "MOVED";
            if error.elsewhere() || moved {
                self.forget(&node).await;
            }
            let broken = matches!(error, Error::Broken { .. });
            // Whom there is no way to is not tried again at once: that is what pauses are for.
            let gone =
                matches!(error, Error::Unreachable { .. }) && self.address.topology == Topology::Single;
            tries += 1;
            if tries > AGAIN || gone || !(error.undone() || broken && repeatable) {
                return Err(error);
            }
            if !moved && !broken {
                tokio::time::sleep(crate::backoff(tries, Duration::from_secs(1), rand::random())).await;
            }
        }
    }

    /// Runs a command on every master, as its number.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub async fn run_on_master(&self, number: usize, command: &Cmd) -> Result<Option<Value>, Error> {
        let host = match self.address.topology {
            Topology::Cluster => self.slots().await?.masters().get(number).cloned(),
            _ if number == 0 => return self.run(b"", command, true).await.map(Some),
            _ => None,
        };
        match host {
            Some(host) => self.on(&self.node(&host), command).await.map(Some),
            None => Ok(None),
        }
    }

    /// Whether there is a master of this number.
    ///
    /// # Errors
    ///
    /// Where no node of the cluster answers.
    pub async fn has_master(&self, number: usize) -> Result<bool, Error> {
        match self.address.topology {
            Topology::Cluster => Ok(number < self.slots().await?.masters().len()),
            _ => Ok(number == 0),
        }
    }

    /// A connection of one's own to the server that has `key`, for commands that wait.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub async fn apart(&self, key: &[u8]) -> Result<Apart, Error> {
        let node = self.node_of(key).await?;
        match self.connector.commands(&node.host, &self.login, None).await {
            Ok(connection) => Ok(Apart {
                host: node.host.clone(),
                connection,
                limit: self.connector.bounds.value,
            }),
            Err(error) => {
                self.forget(&node).await;
                Err(error)
            }
        }
    }

    /// A connection that messages arrive by. Nodes of a cluster pass messages on to each other, so any of them will do.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub async fn subscriber(&self) -> Result<PubSub, Error> {
        let node = self.node_of(b"").await?;
        match self.connector.messages(&node.host, &self.login).await {
            Ok(connection) => Ok(connection),
            Err(error) => {
                self.forget(&node).await;
                Err(error)
            }
        }
    }

    /// Where it is, for people: without passwords.
    pub fn place(&self) -> String {
        let hosts: Vec<_> = self.address.hosts.iter().map(name).collect();
        hosts.join(",")
    }

    async fn on(&self, node: &Node, command: &Cmd) -> Result<Value, Error> {
        node.run(&self.connector, &self.login, self.answers, command)
            .await
    }

    async fn node_of(&self, key: &[u8]) -> Result<Arc<Node>, Error> {
        let host = match &self.address.topology {
            Topology::Single => self.first()?,
            Topology::Sentinel {
                master,
                user,
                password,
            } => {
                let mut known = self.master.lock().await;
                match &*known {
                    Some(host) => host.clone(),
                    None => {
                        let there = Login {
                            user: user.clone(),
                            password: password.clone(),
                            database: 0,
                        };
                        let hosts = &self.address.hosts;
                        let (connector, login) = (&self.connector, &self.login);
                        let found =
                            sentinel::master(connector, hosts, &there, login, master, self.answers).await?;
                        tracing::debug!("the master {master:?} is at {}", name(&found));
                        known.insert(found).clone()
                    }
                }
            }
            Topology::Cluster => {
                let slots = self.slots().await?;
                let slot = slot(key);
                slots.master(slot).cloned().ok_or_else(|| Error::NoMaster {
                    reason: format!("no node of the cluster at {} has slot {slot}", self.place()),
                })?
            }
        };
        Ok(self.node(&host))
    }

    fn first(&self) -> Result<Host, Error> {
        self.address
            .hosts
            .first()
            .cloned()
            .ok_or_else(|| Error::NoMaster {
                reason: "the URL names no server".to_owned(),
            })
    }

    async fn slots(&self) -> Result<Slots, Error> {
        let mut known = self.slots.lock().await;
        if let Some(slots) = &*known {
            return Ok(slots.clone());
        }
        // Whom we have spoken with already knows as well as those that the URL names, which may be gone by now.
        let mut hosts = self.address.hosts.clone();
        hosts.extend(self.nodes().keys().cloned());
        let mut said = Vec::new();
        for host in hosts {
            match self.on(&self.node(&host), cmd("CLUSTER").arg("SLOTS")).await {
                Ok(answer) => match Slots::read(&answer, &host) {
                    Some(slots) => return Ok(known.insert(slots).clone()),
                    None => said.push(format!("{} knows no slots", name(&host))),
                },
                Err(error) => said.push(error.to_string()),
            }
        }
        Err(Error::NoMaster {
            reason: format!("no node of the cluster answers: {}", said.join("; ")),
        })
    }

    fn node(&self, host: &Host) -> Arc<Node> {
        let mut nodes = self.nodes();
        let node = nodes
            .entry(host.clone())
            .or_insert_with(|| Arc::new(Node::new(host.clone())));
        Arc::clone(node)
    }

    /// What was known of who is where may be wrong.
    async fn forget(&self, node: &Node) {
        match self.address.topology {
            Topology::Single => {}
            Topology::Sentinel { .. } => {
                let mut known = self.master.lock().await;
                if known.as_ref() == Some(&node.host) {
                    *known = None;
                    node.leave();
                }
            }
            Topology::Cluster => *self.slots.lock().await = None,
        }
    }

    fn nodes(&self) -> MutexGuard<'_, HashMap<Host, Arc<Node>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Apart {
    /// Sends a command and waits for its answer, `limit` at the most.
    ///
    /// # Errors
    ///
    /// Where there is no answer, or the server refuses.
    pub async fn run(&mut self, command: &Cmd, limit: Duration) -> Result<Value, Error> {
        match tokio::time::timeout(limit, self.connection.send_packed_command(command)).await {
            Ok(answer) => judged(&self.host, answer, self.limit, None),
            Err(_) => Err(Error::Slow {
                server: name(&self.host),
                limit,
            }),
        }
    }
}
