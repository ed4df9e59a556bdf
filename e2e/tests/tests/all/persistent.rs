//! Stores in files: what was acknowledged survives a crash, a full disk is an error and no loss, and a file has one writer.

use serde_json::json;
use shoal_e2e::{Client, Shoal, Up, component, get, service};
use std::path::Path;

fn manifest(name: &str, folder: &Path) -> String {
    let kv = component(
        "kv",
        "http_kv",
        json!({"capabilities": {"keyValue": [{"name": "default", "store": "data"}]}}),
    );
    let spec = json!({
        "stores": [{"name": "data", "persistent": {"volume": "disk"}}],
        "volumes": [{"name": "disk", "hostPath": {"path": folder}}],
    });
    service(name, &[("/", kv)], spec)
}

/// Writes until the server is gone, and returns the keys that were acknowledged.
async fn write(address: std::net::SocketAddr, prefix: String) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let Ok(mut client) = Client::try_h1(address).await else {
        return acknowledged;
    };
    for n in 0.. {
        let key = format!("{prefix}-{n}");
        let request = http::Request::get(format!("/?op=set&key={key}&value={key}"));
        let request = request.body(shoal_e2e::client::empty()).unwrap();
        match client.try_send(request).await {
            Ok(response) if response.status() == 200 => acknowledged.push(key),
            _ => break,
        }
    }
    acknowledged
}

#[tokio::test]
async fn a_hundred_crashes_lose_no_acknowledged_write() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..100 {
        let mut shoal = Shoal::up(&manifest("crash", folder.path())).await;
        let address = shoal.address();
        let writers: Vec<_> = (0..4)
            .map(|writer| tokio::spawn(write(address, format!("{round}-{writer}"))))
            .collect();
        // At another point of the work each time.
        tokio::time::sleep(std::time::Duration::from_millis(5 + round * 7 % 50)).await;
        shoal.kill();
        let before = acknowledged.len();
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
        println!(
            "round {round}: {} writes acknowledged",
            acknowledged.len() - before
        );
    }
    assert!(acknowledged.len() > 100, "{} writes in all", acknowledged.len());
    let shoal = Shoal::up(&manifest("crash", folder.path())).await;
    let mut client = Client::h1(shoal.address()).await;
    for keys in acknowledged.chunks(50) {
        let query: String = keys.iter().map(|key| format!("&key={key}")).collect();
        let expected: Vec<_> = keys.iter().map(|key| format!("{key}={key}")).collect();
        let answer = client.get(&format!("/?op=get-many{query}")).await;
        assert_eq!(answer.text().trim_end(), expected.join(" "));
    }
    println!(
        "{} acknowledged writes, all there after 100 crashes",
        acknowledged.len()
    );
}

#[tokio::test]
async fn a_full_disk_is_an_error_for_the_guest_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::new().manifest(&manifest("full", folder.path()));
    let shoal = up.small_disk(folder.path(), 6 << 10).start().await;
    let mut client = Client::h1(shoal.address()).await;
    let value = "v".repeat(50_000);
    let mut written = 0;
    let said = loop {
        let answer = client
            .get(&format!("/?op=set&key=k{written}&value={value}"))
            .await;
        if answer.status != 200 {
            break answer;
        }
        written += 1;
        assert!(written < 1000, "6 MiB hold no 50 MB");
    };
    said.has(500, "the store's volume has no room left");
    assert!(written > 20, "{written} values fit");
    // All that were acknowledged are there, read from the file as it is on disk.
    for n in 0..written {
        client
            .get(&format!("/?op=get&key=k{n}"))
            .await
            .is(200, &format!("{value}\n"));
    }
    client
        .get(&format!("/?op=exists&key=k{written}"))
        .await
        .is(200, "false\n");
    // What needs no more room goes on.
    client.get("/?op=set&key=small&value=1").await.has(200, "done");
    for n in 0..written {
        client
            .get(&format!("/?op=delete&key=k{n}"))
            .await
            .has(200, "done");
    }
    client
        .get(&format!("/?op=set&key=again&value={value}"))
        .await
        .has(200, "done");
    client.get("/?op=list").await.is(200, "again small\n");
}

#[tokio::test]
async fn a_file_has_one_writer_and_a_service_that_is_changed_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let text = manifest("one", folder.path());
    let shoal = Up::new().manifest(&text).arg("--watch").start().await;
    let address = shoal.address();
    get(address, "/?op=set&key=a&value=1").await.has(200, "done");
    // Another process.
    let ended = Up::new().manifest(&text).fails();
    ended.failed(1, &["store data", "one.data.redb is open in another process"]);
    // Another service of this one has a file of its own on the same volume.
    let file = shoal.folder().join("manifest-0.yaml");
    std::fs::write(&file, format!("{text}{}", manifest("two", folder.path()))).unwrap();
    shoal_e2e::until("the second service", || shoal.addresses().get("two").copied()).await;
    get(shoal.at("two"), "/?op=get&key=a").await.has(200, "none");
    // The same service, prepared anew while it runs.
    let changed = text.replacen("\"spec\": {", "\"spec\": {\"scaling\": {\"maxReplicas\": 3},", 1);
    assert_ne!(changed, text);
    std::fs::write(&file, changed).unwrap();
    shoal_e2e::until("the change", || shoal.log.events("reloaded").pop()).await;
    get(address, "/?op=get&key=a").await.has(200, "1");
}
