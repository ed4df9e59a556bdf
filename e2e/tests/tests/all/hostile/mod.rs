//! Every hostile guest of `e2e/guests` is stopped by what must stop it, while a neighbour in the same process answers throughout.
//! What each tries stands in its own first line; what must stop it, in `table`.

mod special;
mod table;

use ::http::Method;
use serde_json::{Value, json};
use shoal_e2e::binaries::{guests_named, impatient_compiler};
use shoal_e2e::client::{empty, full, request};
use shoal_e2e::manifest::single;
use shoal_e2e::outside::Outside;
use shoal_e2e::{Answer, Client, Shoal, Up, until, within};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use table::{Ask, End, Row, SAYS_CPU, TABLE};
use tempfile::TempDir;

/// Requests that the neighbour must have answered, right, while each guest was at work.
const NEIGHBOUR: usize = 20;

/// What guests find around them.
struct World {
    /// Answers by TCP.
    tcp: Outside,
    /// Answers by HTTP, without an end.
    http: Outside,
    /// Nobody is granted this one.
    forbidden: Outside,
    /// A folder `inside` to be granted, with links that lead out of it.
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("inside");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(folder.path().join("outside"), "untouched").unwrap();
        symlink("/etc", inside.join("laid-absolute")).unwrap();
        symlink("../outside", inside.join("laid-up")).unwrap();
        symlink("laid-up", inside.join("laid-chain")).unwrap();
        let forbidden = Outside::tcp_on("127.0.0.2".parse().unwrap()).await;
        Self {
            tcp: Outside::tcp().await,
            http: Outside::http_unending().await,
            forbidden,
            folder,
        }
    }

    /// Puts addresses and paths in place of their names.
    fn fill(&self, text: &str) -> String {
        text.replace("TCP_PORT", &self.tcp.port().to_string())
            .replace("HTTP_PORT", &self.http.port().to_string())
            .replace("FORBIDDEN", &self.forbidden.address.to_string())
            .replace("INSIDE", self.folder.path().join("inside").to_str().unwrap())
    }
}

fn service_name(guest: &str) -> String {
    guest.replace('_', "-")
}

/// A service of one hostile guest, with limits that are soon reached.
fn manifest(row: &Row, world: &World) -> String {
    // On a machine that is busy with other things the clock on the wall runs faster than a guest's CPU time.
    let timeout = if row.says == SAYS_CPU { "60s" } else { "2s" };
    let mut limits = json!({
        "memory": "32Mi", "requestTimeout": timeout, "cpuTime": "300ms", "responseBody": "1Mi", "outboundConnections": 4,
        "logRate": "64k", "concurrency": 8,
    });
    let mut fields: Value = serde_json::from_str(&world.fill(row.fields))
        .unwrap_or_else(|error| panic!("{}: {error}", row.guest));
    if let Some(Value::Object(more)) = fields.get("limits").cloned() {
        limits.as_object_mut().unwrap().extend(more);
    }
    fields["limits"] = limits;
    let web = shoal_e2e::component("web", row.guest, fields);
    let around = json!({
        "stores": [{"name": "data", "memory": {}}],
        "volumes": [{"name": "inside", "hostPath": {"path": world.folder.path().join("inside")}}],
    });
    shoal_e2e::service(&service_name(row.guest), &[("/", web)], around)
}

/// A client that asks the neighbour all the time.
struct Neighbour {
    answered: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Neighbour {
    fn ask(at: SocketAddr) -> Self {
        let (answered, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (count, stopped) = (Arc::clone(&answered), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            let mut client = Client::h1(at).await;
            while !stopped.load(Ordering::SeqCst) {
                client.get("/").await.is(200, "hello, world\n");
                count.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        });
        Self { answered, stop, task }
    }

    fn count(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// Waits until it has answered often enough since `before`.
    async fn went_on(&self, before: usize, guest: &str) {
        until(&format!("answers of the neighbour of {guest}"), || {
            assert!(!self.task.is_finished(), "the neighbour failed beside {guest}");
            (self.count() >= before + NEIGHBOUR).then_some(())
        })
        .await;
    }

    async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.expect("the neighbour answered throughout");
    }
}

#[test]
fn every_hostile_guest_has_a_row() {
    let guests: BTreeSet<String> = guests_named("hostile_").into_iter().collect();
    let rows: BTreeSet<String> = TABLE.iter().map(|row| row.guest.to_owned()).collect();
    assert_eq!(rows.len(), TABLE.len(), "a guest has two rows");
    let without: Vec<_> = guests.difference(&rows).collect();
    let gone: Vec<_> = rows.difference(&guests).collect();
    assert!(
        without.is_empty() && gone.is_empty(),
        "guests without a row: {without:?}; rows without a guest: {gone:?}"
    );
    assert!(TABLE.len() >= 70);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_guests_are_stopped_and_their_neighbour_answers_throughout() {
    let world = World::new().await;
    // Slots for a few: each that is not given back would soon be missed.
    let mut up = Up::new()
        .arg("--slots")
        .arg("24")
        .manifest(&single("neighbour", "http_hello", json!({})));
    for row in TABLE.iter().filter(|row| !matches!(row.end, End::Refused(_))) {
        up = up.manifest(&manifest(row, &world));
    }
    let mut shoal = up.start().await;
    let neighbour = Neighbour::ask(shoal.at("neighbour"));
    neighbour.went_on(0, "nobody").await;
    let descriptors = shoal.descriptors();
    let mut failed = Vec::new();
    for row in TABLE {
        let before = neighbour.count();
        if let Err(why) = attack(row, &shoal, &world).await {
            failed.push(format!("{}: {why}", row.guest));
        }
        if let Some(status) = shoal.ended() {
            panic!(
                "shoal ended with {status} after {}: {}",
                row.guest,
                shoal.log.tail()
            );
        }
        neighbour.went_on(before, row.guest).await;
    }
    if let Err(why) = special::escapes(&world) {
        failed.push(why);
    }
    neighbour.end().await;
    // What they opened is closed: some connections of clients may still be on their way out.
    until("descriptors to be closed", || {
        (shoal.descriptors() <= descriptors + 16).then_some(())
    })
    .await;
    let most = shoal.most_memory() >> 10;
    if most > 1536 {
        failed.push(format!("{most} MiB were resident at most"));
    }
    assert!(
        failed.is_empty(),
        "{} of {} went wrong:\n{}",
        failed.len(),
        TABLE.len(),
        failed.join("\n")
    );
    shoal.terminate();
    shoal.end().await;
}

async fn attack(row: &Row, shoal: &Shoal, world: &World) -> Result<(), String> {
    let said = |answer: &Answer| format!("{} {:.900} (cut: {:?})", answer.status, answer.text(), answer.cut);
    match row.end {
        End::Refused(says) => {
            let compiler = impatient_compiler(shoal.folder());
            let up = Up::new()
                .manifest(&manifest(row, world))
                .env("SHOAL_COMPILE", compiler);
            let ended = tokio::task::spawn_blocking(|| up.fails()).await.unwrap();
            let all = says.iter().all(|text| ended.stderr.contains(text));
            let readable = ended.stderr.len() < 2000 && !ended.stderr.contains("panicked");
            return if ended.code == Some(1) && all && readable {
                Ok(())
            } else {
                Err(format!("{says:?} expected of {ended:?}"))
            };
        }
        End::Special(_) => {}
        End::Answer(status, text) => {
            for answer in ask(row, shoal, world).await {
                if answer.status != status || answer.cut.is_some() || !answer.text().contains(text) {
                    return Err(format!("{status} with {text:?} expected of {}", said(&answer)));
                }
            }
        }
        End::Cut(text) => {
            for answer in ask(row, shoal, world).await {
                if answer.status != 200 || answer.cut.is_none() || !answer.text().starts_with(text) {
                    return Err(format!(
                        "a cut answer that begins with {text:?} expected of {}",
                        said(&answer)
                    ));
                }
            }
        }
        End::Either(text) => {
            for answer in ask(row, shoal, world).await {
                if answer.status != 500
                    && answer.cut.is_none()
                    && (answer.status, answer.text().as_str()) != (200, text)
                {
                    return Err(format!("{text:?} or a failure expected of {}", said(&answer)));
                }
            }
        }
        End::Failed => {
            for answer in ask(row, shoal, world).await {
                if answer.status != 500 && answer.cut.is_none() {
                    return Err(format!(
                        "a failure, or a cut answer, expected of {}",
                        said(&answer)
                    ));
                }
            }
        }
    }
    if let End::Special(special) = row.end {
        special
            .run(shoal, world, shoal.at(&service_name(row.guest)))
            .await?;
    }
    let service = service_name(row.guest);
    for text in row.says {
        let heard = tokio::time::timeout(std::time::Duration::from_secs(5), async {
            while !shoal.log.of(&service).iter().any(|said| said.contains(text)) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        });
        if heard.await.is_err() {
            let heard = shoal.log.of(&service);
            let last = heard.last().map(|it| it.chars().take(300).collect::<String>());
            return Err(format!(
                "{text:?} is not in its log; the last of {} is {last:?}",
                heard.len()
            ));
        }
    }
    Ok(())
}

/// Several at once, since an attack is not alone. Where the connection ends before the head of an answer, the status is 0.
async fn ask(row: &Row, shoal: &Shoal, world: &World) -> Vec<Answer> {
    let at = shoal.at(&service_name(row.guest));
    let one = || async {
        let request = match row.ask {
            Ask::Get(target) => request(Method::GET, &world.fill(target), empty()),
            Ask::Post(body) => request(Method::POST, "/", full(body)),
        };
        let sent = within(row.guest, Client::h1(at).await.try_send(request)).await;
        match sent {
            Ok(response) => Answer::read(response).await,
            Err(error) => Answer::none(&error),
        }
    };
    // What one leaves in a store or a folder would stand in the way of the others.
    let alone = ["keyValue", "filesystem"]
        .iter()
        .any(|grant| row.fields.contains(grant));
    let times = if alone { 1 } else { 3 };
    futures::future::join_all((0..times).map(|_| one())).await
}
