//! Ten thousand silent connections and a thousand slow ones, in full size: this program again is the server, since one process has too few
//! descriptors for both sides.

use crate::support::{GET, PATIENCE, Raw, Site, impatient, within};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shoal_trigger::http::ServerOptions;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

const SILENT: usize = 10_000;
const SLOW: usize = 1_000;
/// Set for the server.
const SERVER: &str = "SHOAL_TEST_HTTP_SERVER";
/// Bytes of the server's memory for one connection, in the dev profile.
const EACH: u64 = 32 << 10;

/// Descriptors that this process may have from now on.
fn descriptors() -> u64 {
    let most = getrlimit(Resource::Nofile).maximum;
    let all = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, all).expect("raise a soft limit");
    most.unwrap_or(u64::MAX)
}

/// The server, where this program was started as one: until its standard input ends.
#[tokio::test]
async fn server() {
    if std::env::var_os(SERVER).is_none() {
        return;
    }
    descriptors();
    let options = ServerOptions {
        head_timeout: Duration::from_secs(5),
        ..impatient()
    };
    let server = Site::new().serve(options).await;
    println!("\nlistening {}", server.address());
    let mut end = [0];
    let _ = tokio::io::stdin().read(&mut end).await;
}

async fn start() -> (Child, SocketAddr) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "many::server", "--nocapture"])
        .env(SERVER, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the server");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let address = within("the server's address", async {
        loop {
            let line = lines.next_line().await.expect("a line").expect("an address");
            if let Some(address) = line.strip_prefix("listening ") {
                return address.parse().expect("an address");
            }
        }
    });
    (child, address.await)
}

/// Resident memory of a process, in bytes.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status
        .lines()
        .find_map(|it| it.strip_prefix("VmRSS:"))
        .expect("VmRSS");
    let kib = line.trim().trim_end_matches(" kB").parse::<u64>();
    kib.expect("a number") << 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_silent_and_a_thousand_slow_connections_disturb_nobody_and_are_closed() {
    let needed = (SILENT + SLOW + 500) as u64;
    let descriptors = descriptors();
    assert!(
        descriptors > needed,
        "`ulimit -Hn` is {descriptors}; the test needs {needed}"
    );
    let (server, address) = start().await;
    let pid = server.id().expect("it runs");
    let before = memory(pid);
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(Raw::connect(address).await);
    }
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let raw = Raw::with(address, "GET / HTTP/1.1\r\nx-slow: ").await;
        slow.push(tokio::spawn(trickle(raw)));
    }
    for _ in 0..100 {
        Raw::with(address, GET).await.read_until("hello\n").await;
    }
    let grown = memory(pid).saturating_sub(before);
    let most = EACH * (SILENT + SLOW) as u64;
    assert!(grown < most, "{grown} bytes for connections that say nothing");
    for mut raw in silent {
        assert_eq!(raw.read_to_end().await, b"");
    }
    for slow in slow {
        within("the end of a slow connection", slow)
            .await
            .expect("no panic");
    }
    Raw::with(address, GET).await.read_until("hello\n").await;
}

/// A byte a second, until the other side closes.
async fn trickle(raw: Raw) {
    use tokio::io::AsyncWriteExt;
    let (mut read, mut write) = raw.0.into_split();
    let ends = async {
        let mut buffer = [0; 1024];
        while let Ok(1..) = read.read(&mut buffer).await {}
    };
    let writes = async {
        while write.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let both = futures::future::join(ends, writes);
    assert!(
        tokio::time::timeout(PATIENCE, both).await.is_ok(),
        "it was never closed"
    );
}
