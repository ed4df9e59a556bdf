//! The example of three languages: it does what its page says. That its components' calls make no connection, `make demo-shop` shows.

use shoal_e2e::{Up, get, post};
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The shop's manifest, in a folder of a test's own.
fn manifest() -> String {
    let folder = repository().join("examples/shop");
    let mut text = std::fs::read_to_string(folder.join("shoal.yaml")).unwrap();
    for file in ["web/web.wasm", "prices/prices.wasm", "catalog/catalog.wasm"] {
        let path = folder.join(file);
        assert!(
            path.is_file(),
            "{} is missing: run scripts/demo-shop.sh first",
            path.display()
        );
        text = text.replace(&format!("./{file}"), &format!("\"{}\"", path.display()));
    }
    text
}

#[tokio::test]
async fn components_in_three_languages_are_one_shop() {
    let shoal = Up::new().manifest(&manifest()).start().await;
    let at = shoal.address();
    get(at, "/").await.is(
        200,
        "kelp                2.50\npearl              99.00\nsea glass          12.25\n",
    );
    // Each says something that only its own language would say.
    let about = get(at, "/about").await;
    about.has(200, "prices: JavaScript, in which [] + {} is [object Object]\n");
    about.has(200, "catalog: Python 3.");
    post(at, "/", "2 kelp, 1 pearl").await.is(
        200,
        "Order 1\n  2 kelp            5.00\n  1 pearl          99.00\n    total         104.00\n",
    );
    post(at, "/", "10 kelp").await.is(
        200,
        "Order 2\n 10 kelp           25.00\n    discount       -2.50\n    total          22.50\n",
    );
    // Found out by Python, thrown by JavaScript, told by Rust; it takes no number.
    post(at, "/", "3 anchor")
        .await
        .is(200, "No order: there is no anchor.\n");
    let orders = (0..8).map(|_| post(at, "/", "1 sea glass"));
    for answer in futures::future::join_all(orders).await {
        answer.has(200, "  1 sea glass      12.25\n    total          12.25\n");
    }
    // One request goes through all three, and what is said of any bears its number and its name.
    let said = shoal.says("shop", "asked for environment variables").await;
    assert!(said.contains("a linked component inherits nothing"), "{said}");
}

#[test]
fn what_one_component_may_the_others_may_not() {
    let text = manifest();
    let line = text.lines().find(|line| line.contains("outbound: []")).unwrap();
    let text = text.replace(line, "      keyValue: [{name: default, store: orders}]");
    Up::new().manifest(&text).fails().failed(
        1,
        &[
            "component catalog can't run here: grant it",
            "wasi:sockets",
            "spec.components[2].capabilities.network",
        ],
    );
}

/// Whoever installs the shop's tools by hand gets those that it was tried with.
#[test]
fn the_shops_tools_are_those_of_the_templates() {
    let read = |path: &str| std::fs::read_to_string(repository().join(path)).unwrap();
    let version = |path: &str| {
        let text = read(path);
        let line = text.lines().find(|line| line.contains("componentize-")).unwrap();
        line.to_owned()
    };
    assert_eq!(
        version("examples/shop/prices/package.json"),
        version("cli/templates/javascript/package.json.in")
    );
    assert_eq!(
        version("examples/shop/catalog/requirements.txt"),
        version("cli/templates/python/requirements.txt.in")
    );
}
