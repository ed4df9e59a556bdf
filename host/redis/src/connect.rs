//! One connection: dialled, encrypted where it is to be, bounded, and logged in.

use crate::bounded::{Bounded, Bounds, Instead};
use crate::{Error, tls};
use async_trait::async_trait;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError};
use rustls::ClientConfig;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Makes connections. The one place that touches the network; a process that may not asks another one instead.
#[async_trait]
pub trait Dial: Send + Sync {
    /// A connection to a server, by name or address.
    async fn dial(&self, host: &str, port: u16) -> io::Result<TcpStream>;
}

/// Connects from this process, with the system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalDial;

#[async_trait]
impl Dial for LocalDial {
    async fn dial(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// How connections of a client are made.
pub(crate) struct Connector {
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) bounds: Bounds,
    pub(crate) connect_timeout: Duration,
}

/// Who we are to a server, and which of its databases is meant.
#[derive(Clone, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: u32,
}

/// A server.
pub(crate) type Host = (String, u16);

pub(crate) fn name((host, port): &Host) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Connector {
    /// A connection for commands; an answer is waited for as long as `answers`, for ever where there is none.
    pub(crate) async fn commands(
        &self,
        host: &Host,
        login: &Login,
        answers: Option<Duration>,
    ) -> Result<MultiplexedConnection, Error> {
        self.in_time(host, async {
            let stream = self
                .stream(host, Instead::Error)
                .await
                .map_err(|error| error.to_string())?;
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(None)
                .set_response_timeout(answers);
            let made = MultiplexedConnection::new_with_config(&login.info(), stream, config).await;
            let (connection, driver) = made.map_err(|error| said(&error))?;
            // It ends when the last handle does, or with the connection.
            tokio::spawn(driver);
            Ok(connection)
        })
        .await
    }

    /// A connection for messages.
    pub(crate) async fn messages(&self, host: &Host, login: &Login) -> Result<PubSub, Error> {
        self.in_time(host, async {
            let stream = self
                .stream(host, Instead::Nothing)
                .await
                .map_err(|error| error.to_string())?;
            PubSub::new(&login.info(), stream)
                .await
                .map_err(|error| said(&error))
        })
        .await
    }

    async fn stream(&self, (host, port): &Host, instead: Instead) -> io::Result<Bounded<Box<dyn Stream>>> {
        let stream = self.dial.dial(host, *port).await?;
        let stream: Box<dyn Stream> = match &self.tls {
            Some(config) => Box::new(tls::connect(Arc::clone(config), host, stream).await?),
            None => Box::new(stream),
        };
        Ok(Bounded::new(stream, self.bounds, instead))
    }

    async fn in_time<T>(
        &self,
        host: &Host,
        connecting: impl Future<Output = Result<T, String>>,
    ) -> Result<T, Error> {
        let unreachable = |reason| Error::Unreachable {
            server: name(host),
            reason,
        };
        match tokio::time::timeout(self.connect_timeout, connecting).await {
            Ok(connected) => connected.map_err(unreachable),
            Err(_) => Err(unreachable(format!(
                "no connection within {:?}",
                self.connect_timeout
            ))),
        }
    }
}

impl Login {
    fn info(&self) -> RedisConnectionInfo {
        let mut info = RedisConnectionInfo::default()
            .set_db(self.database.into())
            .set_skip_set_lib_name();
        if let Some(user) = &self.user {
            info = info.set_username(user);
        }
        if let Some(password) = &self.password {
            info = info.set_password(password);
        }
        info
    }
}

/// An error's text, without the kind that stands before it where the server's own words follow.
pub(crate) fn said(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}
