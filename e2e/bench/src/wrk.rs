//! Load by `wrk`, and what it prints.

use anyhow::{Context, bail};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::process::Command;

/// What one run of `wrk` saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    pub(crate) rps: f64,
    pub(crate) requests: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// Loads a server with `connections` that each send a request as soon as the one before is answered.
///
/// One thread of `wrk`, whatever the number of connections: it shares two processors with the server.
pub(crate) async fn run(address: SocketAddr, connections: u32, time: Duration) -> anyhow::Result<Load> {
    let output = Command::new("wrk")
        .args(["--latency", "--threads=1", "--timeout=30s"])
        .arg(format!("--connections={connections}"))
        .arg(format!("--duration={}s", time.as_secs().max(1)))
        .arg(format!("http://{address}/"))
        .kill_on_drop(true)
        .output()
        .await
        .context("start wrk (Debian has it as a package)")?;
    if !output.status.success() {
        bail!(
            "wrk ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).with_context(|| format!("read what wrk printed:\n{text}"))
}

fn parse(text: &str) -> anyhow::Result<Load> {
    let (mut rps, mut requests, mut p50, mut p99) = (None, None, None, None);
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            // Answers that are no answers make every other figure worthless.
            ["Non-2xx", ..] | ["Socket", "errors:", ..] => bail!("{line}"),
            ["Requests/sec:", value] => rps = Some(value.parse()?),
            [count, "requests", "in", ..] => requests = Some(count.parse()?),
            ["50%", time] => p50 = Some(micros(time)?),
            ["99%", time] => p99 = Some(micros(time)?),
            _ => {}
        }
    }
    match (rps, requests, p50, p99) {
        (Some(rps), Some(requests), Some(p50_us), Some(p99_us)) => Ok(Load {
            rps,
            requests,
            p50_us,
            p99_us,
        }),
        _ => bail!("something is missing"),
    }
}

fn micros(text: &str) -> anyhow::Result<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("m", 6e7), ("s", 1e6)];
    let found = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
    let (number, factor) = found.with_context(|| format!("{text:?} has no unit of time"))?;
    Ok(number.parse::<f64>()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "Running 1s test @ http://127.0.0.1:8080/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   609.25us  235.96us   5.30ms   92.60%
    Req/Sec    53.20k     3.79k   57.51k    72.73%
  Latency Distribution
     50%  572.00us
     75%  611.00us
     90%  701.00us
     99%    1.71ms
  58214 requests in 1.10s, 7.16MB read
Requests/sec:  52917.65
Transfer/sec:      6.51MB
";

    #[test]
    fn what_wrk_prints_is_read() {
        let load = parse(PRINTED).expect("figures");
        assert_eq!(
            load,
            Load {
                rps: 52917.65,
                requests: 58214.0,
                p50_us: 572.0,
                p99_us: 1710.0
            }
        );
    }

    #[test]
    fn refused_requests_are_no_figures() {
        for line in [
            "  Non-2xx or 3xx responses: 7\n",
            "  Socket errors: connect 0, read 3, write 0, timeout 0\n",
        ] {
            assert!(parse(&format!("{PRINTED}{line}")).is_err());
        }
        assert!(parse("unable to connect").is_err());
    }

    #[test]
    fn every_unit_is_known() {
        let units = ["9.00us", "9.00ms", "9.00s", "9.00m"].map(|text| micros(text).expect("a time"));
        assert_eq!(units, [9.0, 9e3, 9e6, 5.4e8]);
    }
}
