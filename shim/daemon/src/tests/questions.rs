//! Connections and names that workers ask for: how many, how long, and that nothing else waits for them.

use super::fake::{Fake, LONG, Lab, container_in};
use crate::broker::{MAX_CONNECTS, MAX_LOOKUPS};
use crate::record::Container;
use serde_json::{Value, json};
use shoal_protocol::{FromWorker, ToWorker, Usage};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// More than a container may wait for.
const CONNECTS: u64 = 300;
const LOOKUPS: u64 = 1000;

/// An address of this machine that answers no more: its queue is full, and the kernel drops what comes.
struct BlackHole {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    fn new() -> Self {
        let socket = rustix::net::socket(
            rustix::net::AddressFamily::INET,
            rustix::net::SocketType::STREAM,
            None,
        );
        let socket = socket.unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        rustix::net::bind(&socket, &any).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let limit = Duration::from_millis(500);
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, limit) {
            queued.push(stream);
        }
        Self {
            address,
            _listener: listener,
            _queued: queued,
        }
    }
}

fn granted(id: &str, to: Value) -> Container {
    let component = json!({"name": "main", "capabilities": {"network": {"outbound": [to]}}});
    container_in("ns", id, &format!("pod-of-{id}"), component)
}

async fn started(lab: &Lab, container: Container) -> (Fake, tokio::sync::mpsc::UnboundedReceiver<ToWorker>) {
    let (entry, heard) = tokio::join!(lab.run(container), async {
        let fake = lab.fake().await;
        let answers = fake.obey();
        (fake, answers)
    });
    assert!(entry.unwrap().runs());
    heard
}

/// Another container of the domain starts, is metered and ends.
async fn lives_and_ends(lab: &Lab, fake: &Fake) {
    let neighbour = lab
        .run(granted("neighbour", json!({"host": "127.0.0.1", "ports": [9]})))
        .await
        .unwrap();
    let usage = Usage {
        id: "neighbour".to_owned(),
        cpu_ns: 7,
        ..Usage::default()
    };
    fake.say(&FromWorker::Usage { tasks: vec![usage] }).await;
    lab.end("neighbour").await;
    assert_eq!(neighbour.usage.lock().unwrap().cpu_ns, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_never_answered_hold_up_no_other_message_and_are_bounded() {
    let lab = Lab::new().await;
    let hole = BlackHole::new();
    let (fake, mut answers) = started(
        &lab,
        granted("a", json!({"host": "127.0.0.1", "ports": [hole.address.port()]})),
    )
    .await;
    for ticket in 0..CONNECTS {
        let (id, address) = ("a".to_owned(), hole.address);
        fake.say(&FromWorker::Connect { ticket, id, address }).await;
    }
    // What is beyond the quota is refused at once, while the others wait.
    let beyond = CONNECTS - u64::try_from(MAX_CONNECTS).unwrap();
    for _ in 0..beyond {
        let refused = tokio::time::timeout(LONG, answers.recv()).await.unwrap().unwrap();
        let ToWorker::Connected {
            error: Some(refused), ..
        } = refused
        else {
            panic!("{refused:?}")
        };
        assert_eq!(
            refused.errno,
            rustix::io::Errno::AGAIN.raw_os_error(),
            "{refused:?}"
        );
        assert!(refused.message.contains("256 connections"), "{refused:?}");
    }
    lives_and_ends(&lab, &fake).await;
    assert!(
        answers.try_recv().is_err(),
        "none of those that wait was answered yet"
    );
    // And they are given up.
    for _ in 0..MAX_CONNECTS {
        let late = tokio::time::timeout(LONG, answers.recv()).await.unwrap().unwrap();
        let ToWorker::Connected {
            error: Some(late), ..
        } = late
        else {
            panic!("{late:?}")
        };
        assert_eq!(late.errno, rustix::io::Errno::TIMEDOUT.raw_os_error(), "{late:?}");
    }
    assert!(!lab.node.container("a").unwrap().worker().unwrap().is_given_up());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_never_answered_hold_up_no_other_message_and_are_bounded() {
    let lab = Lab::new().await;
    let mut container = granted("a", json!({"host": "*.example.com", "ports": [80]}));
    let program = Arc::get_mut(container.program.as_mut().unwrap()).unwrap();
    // An address of loopback at which nobody answers.
    program.resolv = "nameserver 127.53.53.53\noptions timeout:30 attempts:1\n".to_owned();
    let (fake, mut answers) = started(&lab, container).await;
    for ticket in 0..LOOKUPS {
        let (id, name) = ("a".to_owned(), format!("n{ticket}.example.com"));
        fake.say(&FromWorker::Resolve { ticket, id, name }).await;
    }
    let beyond = LOOKUPS - u64::try_from(MAX_LOOKUPS).unwrap();
    for _ in 0..beyond {
        let refused = tokio::time::timeout(LONG, answers.recv()).await.unwrap().unwrap();
        let ToWorker::Resolved {
            addresses: Err(refused),
            ..
        } = refused
        else {
            panic!("{refused:?}")
        };
        assert_eq!(
            refused.errno,
            rustix::io::Errno::AGAIN.raw_os_error(),
            "{refused:?}"
        );
    }
    lives_and_ends(&lab, &fake).await;
    let late = tokio::time::timeout(LONG, answers.recv()).await.unwrap().unwrap();
    assert!(
        matches!(
            late,
            ToWorker::Resolved {
                addresses: Err(_),
                ..
            }
        ),
        "{late:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_asks_and_never_reads_is_given_up() {
    let lab = Lab::new().await;
    let (started, fake) = tokio::join!(
        lab.run(granted("a", json!({"host": "127.0.0.1", "ports": [9]}))),
        async {
            let fake = lab.fake().await;
            assert!(matches!(fake.hear().await, ToWorker::Start { .. }));
            fake.say(&FromWorker::Started { id: "a".to_owned() }).await;
            fake
        }
    );
    let entry = started.unwrap();
    let flood = async {
        let mut ticket = 0;
        loop {
            ticket += 1;
            let (id, address) = ("nobody".to_owned(), "127.0.0.1:9".parse().unwrap());
            let asked = FromWorker::Connect { ticket, id, address };
            if fake.channel.send(&asked, &[]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = flood => {}
        (exit, _) = entry.wait() => assert!(exit.message.contains("answers"), "{}", exit.message),
        () = tokio::time::sleep(LONG) => panic!("it was listened to for ever"),
    }
}
