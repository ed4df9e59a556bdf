//! Waiting for something to become true, while the components that it depends on are watched. Asks; starts nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::component::Component;

/// How long a component may take to come up. A loaded machine of two processors needs a fraction of it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks until the answer is yes. An error where one of the components ends, or where it takes too long; the error quotes the log of
/// the first of them.
pub(crate) fn until(
    what: &str,
    components: &[&Component],
    mut question: impl FnMut() -> Result<(), String>,
) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let Err(reason) = question() else {
            return Ok(());
        };
        for component in components {
            component.check()?;
        }
        if began.elapsed() > PATIENCE {
            let quotes: Vec<_> = components.iter().map(|component| component.quote()).collect();
            bail!(
                "{what}: not after {} s ({reason}).\n{}",
                PATIENCE.as_secs(),
                quotes.join("\n")
            );
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Asks an HTTP server, in the clear, for `path`; an error unless it answers 200.
pub(crate) fn http_ok(address: SocketAddr, path: &str) -> Result<(), String> {
    let ask = || -> std::io::Result<String> {
        let patience = Duration::from_secs(2);
        let mut stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
        let mut head = [0; 64];
        let length = stream.read(&mut head)?;
        Ok(String::from_utf8_lossy(&head[..length]).into_owned())
    };
    let head = ask().map_err(|error| format!("http://{address}{path}: {error}"))?;
    if head.split_ascii_whitespace().nth(1) == Some("200") {
        return Ok(());
    }
    Err(format!(
        "http://{address}{path}: {}",
        head.lines().next().unwrap_or("no answer")
    ))
}
