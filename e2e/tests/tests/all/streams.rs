//! Bodies are streams in both directions: parts arrive before the whole is there, and the whole never is in memory.

use ::http::{Method, Request};
use bytes::Bytes;
use futures::SinkExt;
use http_body_util::BodyExt;
use serde_json::json;
use shoal_e2e::client::{empty, part, request, upload};
use shoal_e2e::manifest::single;
use shoal_e2e::{Client, Shoal, component, service, within};

const GIB: u64 = 1 << 30;
/// What the whole process may grow by while 1 GiB goes through it, in KiB.
const GROWTH: u64 = 150 << 10;

#[tokio::test]
async fn an_echo_sends_back_what_came_before_the_upload_ends() {
    let echo = ("/two", component("two", "http_echo", json!({})));
    let three = ("/three", component("three", "http3_echo", json!({})));
    let shoal = Shoal::up(&service("echo", &[echo, three], json!({}))).await;
    for target in ["/two", "/three"] {
        for mut client in [
            Client::h1(shoal.address()).await,
            Client::h2(shoal.address()).await,
        ] {
            let (mut sender, body) = upload();
            let (response, ()) =
                futures::future::join(client.send(request(Method::POST, target, body)), async {
                    sender.send(part("part 0\n")).await.unwrap();
                })
                .await;
            let mut body = response.into_body();
            for n in 1..=10 {
                let expected = format!("part {}\n", n - 1);
                assert_eq!(exactly(&mut body, expected.len()).await, expected, "{target}");
                sender.send(part(format!("part {n}\n"))).await.unwrap();
            }
            drop(sender);
            assert_eq!(exactly(&mut body, "part 10\n".len()).await, "part 10\n");
            while let Some(frame) = within("the end of the body", body.frame()).await {
                // The end may come as a frame of its own.
                assert!(
                    frame.unwrap().into_data().is_ok_and(|data| data.is_empty()),
                    "{target}"
                );
            }
        }
    }
}

async fn exactly(body: &mut hyper::body::Incoming, length: usize) -> String {
    let mut text = Vec::new();
    while text.len() < length {
        let frame = within("a part of the echo", body.frame())
            .await
            .expect("more of the body")
            .unwrap();
        text.extend_from_slice(&frame.into_data().expect("data"));
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_large_echo_comes_back_byte_for_byte() {
    let shoal = Shoal::up(&single(
        "echo",
        "http_echo",
        json!({"limits": {"cpuTime": "30s", "requestTimeout": "60s"}}),
    ))
    .await;
    let block: Vec<u8> = (0..1 << 20)
        .map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let (mut sender, body) = upload();
    let mut client = Client::h1(shoal.address()).await;
    let whole = Bytes::from(block);
    let sending = async {
        for n in 0..32 {
            // Parts of all sizes, which no buffer divides evenly.
            for piece in whole.chunks(1 + 7919 * (n + 1)) {
                sender.send(part(whole.slice_ref(piece))).await.unwrap();
            }
        }
        drop(sender);
    };
    let (answer, ()) = futures::future::join(client.call(request(Method::POST, "/", body)), sending).await;
    assert_eq!((answer.status, &answer.cut), (200, &None));
    assert_eq!(answer.body.len(), 32 * whole.len());
    assert!(answer.body.chunks(whole.len()).all(|chunk| chunk == whole));
}

#[tokio::test]
async fn an_upload_of_a_gib_needs_no_memory_for_it() {
    let limits = json!({"limits": {"requestBody": "2Gi", "requestTimeout": "110s", "cpuTime": "110s"}});
    let shoal = Shoal::up(&single("sink", "http_sink", limits)).await;
    let mut client = Client::h1(shoal.address()).await;
    client.post("/", "warm up").await.has(200, "7 bytes");
    let before = shoal.most_memory();
    let (mut sender, body) = upload();
    let block = Bytes::from(vec![0; 1 << 20]);
    let sending = async {
        for _ in 0..GIB >> 20 {
            sender.send(part(block.clone())).await.unwrap();
        }
        drop(sender);
    };
    let call = Request::builder().method("POST").uri("/").body(body).unwrap();
    let (answer, ()) = within(
        "an upload of a GiB",
        futures::future::join(client.call(call), sending),
    )
    .await;
    // FNV-1a of zeros is the offset times the prime to the power of their number.
    let hash = power(0x0000_0100_0000_01b3, GIB).wrapping_mul(0xcbf2_9ce4_8422_2325);
    answer.is(200, &format!("{GIB} bytes, fnv1a {hash:016x}\n"));
    let grown = shoal.most_memory() - before;
    assert!(grown < GROWTH, "{grown} KiB more were resident");
}

fn power(mut base: u64, mut exponent: u64) -> u64 {
    let mut product = 1u64;
    while exponent > 0 {
        if exponent & 1 == 1 {
            product = product.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent >>= 1;
    }
    product
}

#[tokio::test]
async fn a_download_of_a_gib_needs_no_memory_for_it() {
    let limits = json!({"limits": {"responseBody": "2Gi", "requestTimeout": "110s", "cpuTime": "110s"}});
    let shoal = Shoal::up(&single("source", "http_source", limits)).await;
    let mut client = Client::h1(shoal.address()).await;
    assert_eq!(client.get("/?bytes=1000").await.body.len(), 1000);
    let before = shoal.most_memory();
    // Byte n is n modulo 251; a frame begins somewhere in the pattern.
    let pattern: Vec<u8> = (0..4 << 20).map(|n: u32| (n % 251) as u8).collect();
    let mut body = client
        .send(request(Method::GET, &format!("/?bytes={GIB}"), empty()))
        .await
        .into_body();
    let mut read = 0u64;
    while let Some(frame) = within("more of the download", body.frame()).await {
        let data = frame.expect("the body is complete").into_data().expect("data");
        let start = (read % 251) as usize;
        assert!(
            data == pattern[start..start + data.len()],
            "other bytes than were sent, near {read}"
        );
        read += data.len() as u64;
    }
    assert_eq!(read, GIB);
    let grown = shoal.most_memory() - before;
    assert!(grown < GROWTH, "{grown} KiB more were resident");
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_its_guest_back_and_costs_no_memory() {
    let limits = json!({"limits": {"responseBody": "2Gi", "requestTimeout": "60s", "cpuTime": "60s"}});
    let source = ("/source", component("source", "http_source", limits));
    let hello = ("/hello", component("hello", "http_hello", json!({})));
    let shoal = Shoal::up(&service("slow", &[source, hello], json!({}))).await;
    let mut client = Client::h1(shoal.address()).await;
    client.get("/hello").await.is(200, "hello, world\n");
    let before = shoal.most_memory();
    let mut slow = Vec::new();
    for _ in 0..10 {
        let mut client = Client::h1(shoal.address()).await;
        let body = client
            .send(request(Method::GET, &format!("/source?bytes={GIB}"), empty()))
            .await
            .into_body();
        slow.push((client, body));
    }
    for _ in 0..200 {
        client.get("/hello").await.is(200, "hello, world\n");
    }
    let grown = shoal.most_memory() - before;
    assert!(grown < GROWTH, "{grown} KiB more were resident");
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_instance() {
    let limits = json!({"limits": {"concurrency": 1, "queueLength": 10, "requestTimeout": "100s"}});
    let shoal = Shoal::up(&single("stream", "http_slow_stream", limits)).await;
    let mut client = Client::h1(shoal.address()).await;
    let mut body = client
        .send(request(Method::GET, "/?ms=20&n=100000", empty()))
        .await
        .into_body();
    assert_eq!(exactly(&mut body, 2).await, "1\n");
    drop((body, client));
    // The only place is free again, or this would wait until its deadline.
    shoal_e2e::get(shoal.address(), "/?n=1&ms=0").await.is(200, "1\n");
}

#[tokio::test]
async fn a_request_that_waits_behind_a_stream_does_not_hold_it_back() {
    let shoal = Shoal::up(&single(
        "stream",
        "http_slow_stream",
        json!({"limits": {"requestTimeout": "60s"}}),
    ))
    .await;
    let mut raw = shoal_e2e::raw::Raw::connect(shoal.address()).await;
    raw.write("GET /?ms=100&n=100000 HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    // Each line is flushed by the guest, so it has to arrive, whatever else lies in the server's buffer.
    raw.read_until("\n5\n").await;
}
