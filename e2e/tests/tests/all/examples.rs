//! The examples that take Rust alone, each from its own manifest: it does what its page says. The shop is among the tests of templates.

use shoal_e2e::outside::Outside;
use shoal_e2e::redis::Redis;
use shoal_e2e::{Shoal, Up, get, post, until};
use std::path::{Path, PathBuf};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
}

/// The manifest of an example, for a folder of a test's own: what its components are made of is named from anywhere.
fn manifest(name: &str, components: &[&str]) -> String {
    let folder = example(name);
    let mut text = std::fs::read_to_string(folder.join("shoal.yaml")).unwrap();
    for component in components {
        let file = folder.join(format!("{component}.wasm"));
        assert!(
            file.is_file(),
            "{} is missing: run examples/{name}/build.sh first",
            file.display()
        );
        text = replaced(
            &text,
            &format!("./{component}.wasm"),
            &format!("\"{}\"", file.display()),
        );
    }
    text
}

/// The text with every `from` replaced, of which there must be one.
#[track_caller]
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in {text}");
    text.replace(from, to)
}

#[tokio::test]
async fn the_greeter_greets() {
    let shoal = Up::new()
        .file(&example("greeter").join("shoal.yaml"), 1)
        .start()
        .await;
    let at = shoal.address();
    get(at, "/").await.has(200, "Greetings from the shoal");
    post(at, "/greet", "Ada")
        .await
        .is(200, "Hello Ada, welcome to the shoal.\n");
    get(at, "/greet/Ada")
        .await
        .is(200, "Hello again Ada, this is visit 2.\n");
}

/// The same component counts in memory, in Redis and on disk: one line of its manifest says which.
#[tokio::test]
async fn the_counter_moves_from_memory_to_redis_to_disk_by_one_line() {
    let (redis, disk) = (Redis::start(), tempfile::tempdir().unwrap());
    let text = manifest("counter", &["counter"]);
    let text = replaced(&text, "redis://127.0.0.1:6379", &redis.url());
    let text = replaced(&text, "./disk", disk.path().to_str().unwrap());
    let memory = "  - {name: counts, memory";
    let off = replaced(&text, memory, "  # - {name: counts, memory");
    let on = |line: &str| {
        replaced(
            &off,
            &format!("# - {{name: counts, {line}"),
            &format!("- {{name: counts, {line}"),
        )
    };

    // What is in memory ends with the process, and is untouched by a change of the manifest that lets the service be.
    for _ in 0..2 {
        let shoal = Shoal::up(&text).await;
        get(shoal.address(), "/fish").await.is(200, "fish: 1\n");
        get(shoal.address(), "/fish").await.is(200, "fish: 2\n");
        post(shoal.address(), "/", "crab").await.is(200, "crab: 1\n");
    }
    for line in ["redis", "persistent"] {
        let text = on(line);
        for expected in ["fish: 1\n", "fish: 2\n", "fish: 3\n"] {
            let mut shoal = Shoal::up(&text).await;
            get(shoal.address(), "/fish").await.is(200, expected);
            shoal.kill();
        }
    }
    assert_eq!(redis.say(&["GET", "default/counter/counts/fish"]), "3");
    assert!(disk.path().join("counter.counts.redb").is_file());

    // The line is changed while the service runs.
    let up = Up::new().manifest(&text).arg("--watch");
    let shoal = up.start().await;
    get(shoal.address(), "/fish").await.is(200, "fish: 1\n");
    std::fs::write(shoal.folder().join("manifest-0.yaml"), on("redis")).unwrap();
    until("the change", || shoal.log.events("reloaded").pop()).await;
    get(shoal.address(), "/fish").await.is(200, "fish: 4\n");
}

/// What the library of the page tries, each with what it says that it got, and what Shoal says of it.
const TRIED: [(&str, &str); 6] = [
    (
        "environment: nothing",
        "asked for environment variables, and has none",
    ),
    ("files: nothing", "asked for directories, and has none"),
    ("store default: Error::NoSuchStore", "keyValue: "),
    ("store customers: Error::NoSuchStore", "customers"),
    ("network: 127.0.0.1:", "network: 127.0.0.1"),
    ("memory: nothing in ", ""),
];

#[tokio::test]
async fn the_malicious_library_gets_nothing_of_what_its_page_has() {
    let collector = Outside::tcp().await;
    let text = manifest("malicious", &["page", "stats"]);
    let text = replaced(&text, "3000", &collector.port().to_string());
    let shoal = Shoal::up(&text).await;
    let at = shoal.address();
    // What there is to be had, by the same code.
    let own = get(at, "/own").await;
    for (what, had) in [
        ("environment", "API_KEY=sk_live_4f1c77aa"),
        ("files", "/data/customers, Ada and Grace"),
        ("store", "customer=Ada"),
        ("network", "connected to 127.0.0.1:"),
        ("memory", "a secret key"),
    ] {
        own.has(200, had);
        assert!(own.text().contains(&format!("{what}: ")), "{}", own.text());
    }
    assert_eq!(collector.seen(), 1);

    for visit in 1..=2 {
        get(at, "/")
            .await
            .is(200, &format!("This page was visited {visit} times.\n"));
    }
    for (got, said) in TRIED {
        shoal.says("malicious", got).await;
        shoal.says("malicious", said).await;
    }
    shoal.says("malicious", "PermissionDenied").await;
    assert_eq!(collector.seen(), 1, "the library reached nobody");
    // Its own lines and what is said of it bear its name.
    let events = [shoal.log.events("log"), shoal.log.events("message")].concat();
    let tried = events.iter().filter(|it| it["component"] == "stats").count();
    assert!(tried >= 2 * TRIED.len(), "{}", shoal.log.tail());
}

#[test]
fn the_malicious_library_is_refused_where_nothing_grants_it_sockets() {
    let text = manifest("malicious", &["page", "stats"]);
    let line = text
        .lines()
        .find(|line| line.contains("stats.example.com"))
        .unwrap();
    let text = replaced(&text, &format!("{line}\n"), "");
    Up::new().manifest(&text).fails().failed(
        1,
        &[
            "component stats can't run here: grant it",
            "wasi:sockets/network@0.2",
            "spec.components[1].capabilities.network",
        ],
    );
}

/// Orders that are shipped, tried again, given up, and not shipped twice.
#[tokio::test]
async fn the_worker_tries_again_and_gives_up_in_the_end() {
    let redis = Redis::start();
    let text = manifest("worker", &["worker"]);
    let text = replaced(&text, "redis://127.0.0.1:6379", &redis.url());
    // Sent before anybody was there to take it.
    redis.say(&["XADD", "orders", "*", "payload", "kelp Lisbon"]);
    let shoal = Shoal::up(&text).await;
    shoal.says("worker", "kelp Lisbon: shipped, attempt 1").await;
    redis.say(&["XADD", "orders", "*", "payload", "pearl Iceland"]);
    redis.say(&["XADD", "orders", "*", "payload", "anchor Atlantis"]);
    shoal.says("worker", "pearl Iceland: shipped, attempt 3").await;
    until("the dead letter", || {
        (redis.try_say(&["XLEN", "orders.dead"]) == "1").then_some(())
    })
    .await;
    let dead = redis.say(&["XRANGE", "orders.dead", "-", "+"]);
    for said in ["anchor Atlantis", "nobody delivers to Atlantis", "shoal-attempts"] {
        assert!(dead.contains(said), "{said}: {dead}");
    }
    until("nothing pending", || {
        let pending = redis.try_say(&["XPENDING", "orders", "default/worker"]);
        pending.starts_with('0').then_some(())
    })
    .await;
    drop(shoal);

    // As if a worker had ended between shipping and acknowledging: the entries come again, with their ids.
    redis.say(&["XGROUP", "SETID", "orders", "default/worker", "0"]);
    let shoal = Shoal::up(&text).await;
    shoal.says("worker", "kelp Lisbon: was shipped before").await;
    shoal.says("worker", "pearl Iceland: was shipped before").await;
    let shipped = redis.say(&[
        "EVAL",
        "return #redis.call('KEYS', 'default/worker/shipped/*')",
        "0",
    ]);
    assert!(shipped.ends_with('2'), "{shipped}");
}

/// The next minute is waited for, so this takes one.
#[tokio::test]
async fn the_report_is_written_by_the_clock() {
    let shoal = Shoal::up(&manifest("report", &["till", "report"])).await;
    let at = shoal.address();
    post(at, "/", "kelp").await.has(200, "kelp: sale ");
    // Where a minute begins while this starts, one report comes before the sale.
    let report = until("the report", || {
        let said = shoal.log.of("report");
        said.into_iter().find(|line| line.ends_with(": 1 sold"))
    })
    .await;
    get(at, "/").await.is(200, &format!("{report}\n"));
    post(at, "/", "pearl")
        .await
        .is(200, "pearl: sale 1 since the last report\n");
}
