//! Which server is the master, as the sentinels have it: <https://redis.io/docs/latest/develop/reference/sentinel-clients/>.

use crate::Error;
use crate::connect::{Connector, Host, Login, name};
use crate::node::judged;
use redis::{Value, cmd};
use std::time::Duration;

/// Asks one sentinel after the other, until one names a server that says itself that it is the master.
pub(crate) async fn master(
    connector: &Connector,
    sentinels: &[Host],
    sentinel_login: &Login,
    login: &Login,
    master: &str,
    answers: Duration,
) -> Result<Host, Error> {
    let mut said = Vec::new();
    for sentinel in sentinels {
        match named(connector, sentinel, sentinel_login, master, answers).await {
            Ok(host) => match is_master(connector, &host, login, answers).await {
                Ok(true) => return Ok(host),
                Ok(false) => said.push(format!("{} is not the master yet", name(&host))),
                Err(error) => said.push(error.to_string()),
            },
            Err(error) => said.push(error.to_string()),
        }
    }
    Err(Error::NoMaster {
        reason: format!("no sentinel leads to the master {master:?}: {}", said.join("; ")),
    })
}

async fn named(
    connector: &Connector,
    sentinel: &Host,
    login: &Login,
    master: &str,
    answers: Duration,
) -> Result<Host, Error> {
    let mut connection = connector.commands(sentinel, login, Some(answers)).await?;
    let mut ask = cmd("SENTINEL");
    ask.arg("get-master-addr-by-name").arg(master);
    let answer = connection.send_packed_command(&ask).await;
    let answer = judged(sentinel, answer, connector.bounds.value, Some(answers))?;
    if let Value::Nil = answer {
        return Err(Error::NoMaster {
            reason: format!("the sentinel {} knows no master {master:?}", name(sentinel)),
        });
    }
    let odd = |reason: &str| Error::Odd {
        server: name(sentinel),
        reason: reason.to_owned(),
    };
    let (host, port): (String, String) =
        redis::from_redis_value(answer).map_err(|_| odd("no host and port of a master"))?;
    let port = port.parse().map_err(|_| odd("a port that is none"))?;
    Ok((host, port))
}

/// The sentinels may be behind, and a server that was the master may have come back as a replica.
async fn is_master(
    connector: &Connector,
    host: &Host,
    login: &Login,
    answers: Duration,
) -> Result<bool, Error> {
    let mut connection = connector.commands(host, login, Some(answers)).await?;
    let answer = connection.send_packed_command(&cmd("ROLE")).await;
    let role = match judged(host, answer, connector.bounds.value, Some(answers)) {
        Ok(Value::Array(parts)) => parts.into_iter().next(),
        Ok(_) => None,
        // An ACL user may not be allowed to ask; then the sentinels have the word.
        Err(error) if error.code() == "NOPERM" => return Ok(true),
        Err(error) => return Err(error),
    };
    Ok(matches!(role, Some(Value::BulkString(role)) if role == b"master"))
}
