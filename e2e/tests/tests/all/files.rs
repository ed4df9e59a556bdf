//! Folders: none unless granted, read-only unless said otherwise, and no way out of them.

use serde_json::{Value, json};
use shoal_e2e::manifest::{config_map, secret};
use shoal_e2e::{Shoal, component, get, service};
use std::os::unix::fs::symlink;
use std::path::Path;

fn with(volumes: Value, grants: Value) -> String {
    let web = component(
        "web",
        "http_files",
        json!({"capabilities": {"filesystem": grants}}),
    );
    service("files", &[("/", web)], json!({"volumes": volumes}))
}

fn host(folder: &Path) -> Value {
    json!([{"name": "data", "hostPath": {"path": folder}}])
}

#[tokio::test]
async fn a_folder_is_read_only_by_default() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("fish"), "shoal").unwrap();
    let shoal = Shoal::up(&with(
        host(folder.path()),
        json!([{"volume": "data", "mountPath": "/data"}]),
    ))
    .await;
    let at = shoal.address();
    get(at, "/?op=read&path=/data/fish").await.is(200, "shoal");
    get(at, "/?op=list&path=/data").await.is(200, "fish\n");
    let writes = [
        "op=write&path=fish&text=x",
        "op=append&path=fish&text=x",
        "op=write&path=new&text=x",
        "op=mkdir&path=new",
        "op=remove&path=fish",
        "op=rename&path=fish&to=other",
        "op=link&path=fish&to=other",
        "op=symlink&path=fish&to=other",
        "op=rmdir&path=.",
    ];
    for query in writes {
        let by_std = query.replace("path=", "path=/data/").replace("to=", "to=/data/");
        get(at, &format!("/?{by_std}")).await.has(403, "error");
        get(at, &format!("/?{query}&dir=/data")).await.has(403, "error");
    }
    let left: Vec<_> = folder
        .path()
        .read_dir()
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert_eq!(left, ["fish"]);
    assert_eq!(
        std::fs::read_to_string(folder.path().join("fish")).unwrap(),
        "shoal"
    );
}

#[tokio::test]
async fn a_folder_that_may_be_written_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let grants = json!([{"volume": "data", "mountPath": "/var/data", "readOnly": false}]);
    let shoal = Shoal::up(&with(host(folder.path()), grants)).await;
    let at = shoal.address();
    for query in [
        "op=write&path=/var/data/a&text=one",
        "op=append&path=/var/data/a&text=two",
        "op=mkdir&path=/var/data/sub",
        "op=rename&path=/var/data/a&to=/var/data/sub/b",
    ] {
        get(at, &format!("/?{query}")).await.is(200, "done\n");
    }
    get(at, "/?op=read&path=/var/data/sub/b").await.is(200, "onetwo");
    assert_eq!(
        std::fs::read_to_string(folder.path().join("sub/b")).unwrap(),
        "onetwo"
    );
}

#[tokio::test]
async fn nothing_but_what_is_granted_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(folder.path().join("outside"), "secret").unwrap();
    std::fs::write(inside.join("file"), "fine").unwrap();
    symlink("../outside", inside.join("up")).unwrap();
    symlink(folder.path().join("outside"), inside.join("absolute")).unwrap();
    symlink("/", inside.join("root")).unwrap();
    symlink("file", inside.join("good")).unwrap();
    let grants = json!([{"volume": "data", "mountPath": "/data", "readOnly": false}]);
    let shoal = Shoal::up(&with(host(&inside), grants)).await;
    let at = shoal.address();
    get(at, "/?op=read&path=/data/good").await.is(200, "fine");
    for path in [
        "/etc/passwd",
        "/",
        "/data/../outside",
        "/data/up",
        "/data/absolute",
        "/data/root/etc/passwd",
        "/outside",
        "outside",
    ] {
        for op in ["read", "list", "stat", "write&text=x"] {
            let answer = get(at, &format!("/?op={op}&path={path}")).await;
            assert_eq!(answer.status, 403, "{op} {path}: {}", answer.text());
        }
    }
    for path in [
        "..",
        "../outside",
        "up",
        "absolute",
        "root/etc/passwd",
        "/etc/passwd",
        "./../outside",
    ] {
        for op in ["read", "list", "stat", "write&text=x"] {
            let answer = get(at, &format!("/?op={op}&path={path}&dir=/data")).await;
            assert_eq!(answer.status, 403, "{op} {path}: {}", answer.text());
        }
    }
    assert_eq!(
        std::fs::read_to_string(folder.path().join("outside")).unwrap(),
        "secret"
    );
}

#[tokio::test]
async fn volumes_hold_config_maps_secrets_and_room_of_their_own() {
    let volumes = json!([
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "keys", "secret": {"secretName": "api", "items": [{"key": "token", "path": "sub/token.txt"}]}},
        {"name": "scratch", "emptyDir": {}},
    ]);
    let grants = json!([
        {"volume": "settings", "mountPath": "/settings"},
        {"volume": "keys", "mountPath": "/keys"},
        {"volume": "scratch", "mountPath": "/tmp", "readOnly": false},
    ]);
    let objects = config_map("settings", json!({"colour": "blue", "size": "large"}))
        + &secret("api", json!({"token": "s3cret", "other": "x"}));
    let shoal = Shoal::up(&(with(volumes, grants) + &objects)).await;
    let at = shoal.address();
    get(at, "/?op=list&path=/settings")
        .await
        .is(200, "colour\nsize\n");
    get(at, "/?op=read&path=/settings/colour").await.is(200, "blue");
    get(at, "/?op=list&path=/keys").await.is(200, "sub\n");
    get(at, "/?op=read&path=/keys/sub/token.txt")
        .await
        .is(200, "s3cret");
    get(at, "/?op=write&path=/tmp/a&text=kept")
        .await
        .is(200, "done\n");
    // The instance is another, the volume is the same.
    get(at, "/?op=read&path=/tmp/a").await.is(200, "kept");
}

#[tokio::test]
async fn a_volume_of_one_component_is_not_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("fish"), "shoal").unwrap();
    let grants = json!({"capabilities": {"filesystem": [{"volume": "data", "mountPath": "/data"}]}});
    let parts = [
        ("/granted", component("granted", "http_files", grants)),
        ("/not", component("not", "http_files", json!({}))),
    ];
    let shoal = Shoal::up(&service("files", &parts, json!({"volumes": host(folder.path())}))).await;
    get(shoal.address(), "/granted?op=read&path=/data/fish")
        .await
        .is(200, "shoal");
    get(shoal.address(), "/not?op=read&path=/data/fish")
        .await
        .has(403, "error");
    get(shoal.address(), "/not?op=list&path=/&dir=/data")
        .await
        .has(403, "not preopened");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let manifest = with(
        json!([{"name": "data", "hostPath": {"path": "/nowhere/at/all"}}]),
        json!([{"volume": "data", "mountPath": "/data"}]),
    );
    let ended = shoal_e2e::Up::new().manifest(&manifest).fails();
    assert_ne!(ended.code, Some(0));
    assert!(
        ended.stderr.contains("/nowhere/at/all") && !ended.stderr.contains("panicked"),
        "{ended:?}"
    );
}
