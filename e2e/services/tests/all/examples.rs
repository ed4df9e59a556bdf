//! The examples, deployed from their own manifests with the command, as their pages say.

use serde_json::Value;
use shoal_pods::manifest::busybox;
use shoal_pods::space::redis;
use shoal_pods::{Space, cluster, until};
use shoal_services::installed;
use std::path::{Path, PathBuf};
use std::process::Command;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
}

/// Runs `shoal deploy` on an example, whose manifest has other words in these places, to its end; what it said.
fn deployed(space: &Space, name: &str, words: &[(&str, &str)]) -> String {
    let mut text = std::fs::read_to_string(example(name).join("shoal.yaml")).unwrap();
    for (from, to) in words {
        assert!(text.contains(from), "{from} is not in {text}");
        text = text.replace(from, to);
    }
    // The components are found from anywhere.
    let folder = example(name).canonicalize().unwrap();
    let text = text.replace("file: ./", &format!("file: {}/", folder.display()));
    let manifest = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(manifest.path(), text).unwrap();
    let this = std::env::current_exe().expect("this program");
    let programs = this.ancestors().nth(2).expect("deps lies in it");
    let registry = &cluster().registry;
    let output = Command::new(programs.join("shoal"))
        .args(["deploy", "-f"])
        .arg(manifest.path())
        .args(["-n", &space.name, "--plain-http", registry])
        .args(["--push-to", &format!("{registry}/examples")])
        .output()
        .expect("shoal");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{name}: {said}{error}; is it built (examples/{name}/build.sh)?"
    );
    said
}

/// Asks a service of the space by its name, from a pod.
fn ask(space: &Space, service: &str, more: &[&str], path: &str) -> String {
    let url = format!("http://{service}.{}.svc.cluster.local{path}", space.name);
    let args = [&["wget", "-q", "-O", "-"], more, &[&url]].concat();
    until(&url, || space.exec("client", &args))
}

fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
}

/// The only pod of a service.
fn pod(space: &Space, service: &str) -> Value {
    space.list(&["pods", "-l", &format!("shoal.dev/service={service}")])["items"][0].clone()
}

fn space(purpose: &str) -> Space {
    let space = Space::new(purpose);
    installed();
    space.apply(&busybox("client", &cluster().registry));
    space.ready("client");
    space
}

#[test]
fn the_greeter_answers_through_its_service() {
    let space = space("greeter");
    let said = deployed(&space, "greeter", &[]);
    let url = format!("http://greeter.{}.svc.cluster.local", space.name);
    assert!(said.contains(&url), "{said}");
    assert!(ask(&space, "greeter", &[], "/").contains("Greetings from the shoal"));
    // Its store counts visits.
    let greet = || ask(&space, "greeter", &["--post-data", "Ada"], "/greet");
    let (first, second) = (greet(), greet());
    assert!(
        first.contains("Hello Ada") && second.contains("this is visit 2"),
        "{first}{second}"
    );
}

#[test]
fn the_counter_moves_from_memory_to_redis_to_disk_by_one_line() {
    let space = space("counter");
    let redis = redis();
    deployed(&space, "counter", &[]);
    assert_eq!(ask(&space, "counter", &[], "/fish"), "fish: 1\n");
    let (memory, off) = ("  - {name: counts, memory", "  # - {name: counts, memory");
    let url = redis.url();
    let in_redis = [
        (memory, off),
        ("# - {name: counts, redis", "- {name: counts, redis"),
        ("redis://127.0.0.1:6379", url.as_str()),
    ];
    deployed(&space, "counter", &in_redis);
    // The old pod may answer until all nodes know that it is gone.
    until("the count in Redis", || {
        ask(&space, "counter", &[], "/fish");
        match redis
            .try_say(&["GET", &format!("{}/counter/counts/fish", space.name)])
            .as_str()
        {
            "2" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    let disk = format!("/tmp/shoal-counter-{}", space.name);
    let on_disk = [
        (memory, off),
        ("# - {name: counts, persistent", "- {name: counts, persistent"),
        ("./disk", disk.as_str()),
        ("hostPath: {path: ", "hostPath: {type: DirectoryOrCreate, path: "),
    ];
    deployed(&space, "counter", &on_disk);
    let count = || {
        let said = ask(&space, "counter", &[], "/crab");
        said.trim()
            .strip_prefix("crab: ")
            .unwrap()
            .parse::<u32>()
            .unwrap()
    };
    let first = count();
    let pod = pod(&space, "counter");
    let pod = pod["metadata"]["name"].as_str().unwrap();
    // Its successor may come up on the other node, where it begins anew: the folder is the node's.
    assert_eq!(count(), first + 1);
    space.kubectl(&["delete", "pod", pod]);
    count();
    drop(space);
    drop(std::fs::remove_dir_all(disk));
}

#[test]
fn the_worker_ships_what_comes_by_a_stream() {
    let space = space("worker");
    let redis = redis();
    let url = redis.url();
    redis.say(&["XADD", "orders", "*", "payload", "kelp Lisbon"]);
    deployed(&space, "worker", &[("redis://127.0.0.1:6379", &url)]);
    redis.say(&["XADD", "orders", "*", "payload", "anchor Atlantis"]);
    let group = format!("{}/worker", space.name);
    until("one shipped, one given up", || {
        let keys = format!("return #redis.call('KEYS', '{group}/shipped/*')");
        let shipped = redis.try_say(&["EVAL", &keys, "0"]);
        let dead = redis.try_say(&["XLEN", "orders.dead"]);
        let pending = redis.try_say(&["XPENDING", "orders", &group]);
        match (shipped.as_str(), dead.as_str(), pending.starts_with('0')) {
            ("1", "1", true) => Ok(()),
            _ => Err(format!("{shipped} shipped, {dead} dead, pending {pending}")),
        }
    });
}

#[test]
fn the_report_is_written_by_a_cron_job() {
    let space = space("report");
    let redis = redis();
    let store = format!("sales, redis: {{url: \"{}\"}}", redis.url());
    deployed(&space, "report", &[("sales, memory: {}", &store)]);
    assert!(ask(&space, "report", &["--post-data", "kelp"], "/").contains("kelp: sale "));
    // Not to wait for the minute.
    space.kubectl(&["create", "job", "now", "--from=cronjob/report-every-minute"]);
    space.kubectl(&["wait", "--for=condition=Complete", "job/now", "--timeout=120s"]);
    let report = ask(&space, "report", &[], "/");
    assert!(report.contains(" sold"), "{report}");
}

#[test]
fn the_shop_of_three_languages_is_one_component() {
    let space = space("shop");
    deployed(&space, "shop", &[]);
    let about = ask(&space, "shop", &[], "/about");
    says(&about, &["Rust", "JavaScript", "Python"]);
    let bill = ask(&space, "shop", &["--post-data", "2 kelp, 1 pearl"], "/");
    assert!(bill.contains("104.00"), "{bill}");
    let pod = pod(&space, "shop");
    let containers = |field: &str| pod["spec"][field].as_array().map_or(0, Vec::len);
    assert_eq!((containers("containers"), containers("initContainers")), (1, 2));
}

#[test]
fn the_malicious_library_gets_nothing_of_its_page() {
    let space = space("malicious");
    deployed(&space, "malicious", &[]);
    let own = ask(&space, "malicious", &[], "/own");
    says(
        &own,
        &[
            "API_KEY=sk_live_4f1c77aa",
            "/data/customers",
            "Ada and Grace",
            "customer=Ada",
        ],
    );
    assert!(ask(&space, "malicious", &[], "/").contains("visited 1 times"));
    let pod = pod(&space, "malicious");
    let pod = pod["metadata"]["name"].as_str().unwrap();
    let said = space.kubectl(&["logs", pod, "-c", "stats"]);
    says(
        &said,
        &[
            "files: nothing",
            "store customers: Error::NoSuchStore",
            "127.0.0.1:3000: PermissionDenied",
            "memory: nothing",
        ],
    );
    // It has variables, those of every container.
    assert!(
        said.contains("environment: ") && !said.contains("API_KEY"),
        "{said}"
    );
}
