//! A task moves from one worker to another under load, as the daemon moves it: it starts in the second on the very same socket, then is
//! stopped in the first.

use crate::support::{Worker, guest, task, try_get};
use shoal_protocol::{Ending, ToWorker};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often it moves.
const MOVES: usize = 6;
/// Clients that open a connection for each request, and those that keep theirs.
const CLIENTS: usize = 4;
/// No client sends more.
const MOST: usize = 100_000;

/// Sends requests until told to stop, at least one after that; how many were answered, or what went wrong.
fn load(stop: &AtomicBool, mut request: impl FnMut() -> std::io::Result<()>) -> Result<usize, String> {
    for sent in 1..=MOST {
        let last = stop.load(Ordering::Relaxed);
        request().map_err(|error| format!("request {sent}: {error}"))?;
        if last {
            return Ok(sent);
        }
    }
    Ok(MOST)
}

fn fresh(address: SocketAddr) -> impl FnMut() -> std::io::Result<()> {
    move || {
        let answer = try_get(address, "/")?;
        let good = answer.starts_with("HTTP/1.1 200");
        good.then_some(()).ok_or_else(|| std::io::Error::other(answer))
    }
}

/// Keeps its connection until it is told that an answer was the last one.
fn kept(address: SocketAddr) -> impl FnMut() -> std::io::Result<()> {
    let mut connection: Option<BufReader<TcpStream>> = None;
    move || {
        let mut reader = match connection.take() {
            Some(reader) => reader,
            None => BufReader::new(TcpStream::connect(address)?),
        };
        reader
            .get_mut()
            .write_all(b"GET / HTTP/1.1\r\nhost: pod\r\n\r\n")?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        if !head.starts_with("HTTP/1.1 200") {
            return Err(std::io::Error::other(head));
        }
        // The body comes in chunks, the last of which is empty.
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim_end(), 16).map_err(std::io::Error::other)?;
            reader.read_exact(&mut vec![0; size + 2])?;
            if size == 0 {
                break;
            }
        }
        let last = head.contains("connection: close");
        connection = Some(reader).filter(|_| !last);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_moves_between_workers_and_no_request_fails() {
    let code = guest("http_hello").await;
    let mut old = Worker::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    old.start_on(task("a", &code), &code, &listener).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || match client % 2 {
                0 => load(&stop, fresh(address)),
                _ => load(&stop, kept(address)),
            })
        })
        .collect();
    for _ in 0..MOVES {
        let mut new = Worker::start();
        new.start_on(task("a", &code), &code, &listener).await;
        old.tell(&ToWorker::Stop { id: "a".to_owned() }, &[]).await;
        assert_eq!(old.ended("a").await.ending, Ending::Completed(0));
        // The old one is gone, and whatever it had accepted with it.
        old = new;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let answered = tokio::task::spawn_blocking(move || client.join().unwrap())
            .await
            .unwrap();
        let answered = answered.unwrap();
        assert!(answered > MOVES, "{answered}");
    }
}
