//! Environment, configuration and secrets: what the manifest gives, from where it says, and nothing else.

use serde_json::json;
use shoal_e2e::manifest::{config_map, secret, single};
use shoal_e2e::process::MARK;
use shoal_e2e::{Shoal, Up, component, get, service};

#[tokio::test]
async fn a_program_is_born_with_its_name_and_nothing_else() {
    let shoal = Shoal::up(&single("env", "http_env", json!({}))).await;
    get(shoal.address(), "/").await.is(200, "arg web\n");
}

#[tokio::test]
async fn variables_are_those_of_the_manifest_in_its_order() {
    let env = json!({
        "args": ["serve", "--verbose"],
        "env": [
            {"name": "GREETING", "value": "hello"},
            {"name": "EMPTY"},
            {"name": "WHOLE", "value": "$(GREETING), $$(GREETING) $(NOBODY)"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}},
            {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
            {"name": "MISSING", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "nothing", "optional": true}}},
        ],
    });
    let manifest = single("env", "http_env", env)
        + &secret("api", json!({"token": "s3cret $(GREETING)"}))
        + &config_map("settings", json!({"colour": "blue"}));
    let shoal = Shoal::up(&manifest).await;
    let text = get(shoal.address(), "/").await.text();
    let expected = "arg web\narg serve\narg --verbose\nenv GREETING=hello\nenv EMPTY=\nenv WHOLE=hello, $(GREETING) $(NOBODY)\n\
                    env TOKEN=s3cret $(GREETING)\nenv COLOUR=blue\n";
    assert_eq!(text, expected);
    assert!(!text.contains(MARK.0));
}

#[tokio::test]
async fn configuration_comes_from_values_config_maps_and_secrets() {
    let config = json!({"capabilities": {"config": [
        {"name": "greeting", "value": "hello"},
        {"name": "colour", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "token", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}},
        {"name": "missing", "valueFrom": {"secretKeyRef": {"name": "none", "key": "x", "optional": true}}},
    ]}});
    let objects = secret("api", json!({"token": "s3cret"}))
        + &config_map("settings", json!({"colour": "blue", "other": "red"}));
    let shoal = Up::new()
        .manifest(&single("config", "http_config", config))
        .manifest(&objects)
        .start()
        .await;
    let at = shoal.address();
    get(at, "/?name=greeting").await.is(200, "hello\n");
    get(at, "/?name=colour").await.is(200, "blue\n");
    get(at, "/?name=token").await.is(200, "s3cret\n");
    for name in ["missing", "other", "HOME", MARK.0] {
        get(at, &format!("/?name={name}")).await.is(200, "none\n");
    }
    let all = get(at, "/").await.text();
    let mut lines: Vec<_> = all.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["colour=blue", "greeting=hello", "token=s3cret"]);
}

#[tokio::test]
async fn a_secret_is_handed_out_byte_for_byte_under_the_granted_name_alone() {
    let grants = json!({"capabilities": {"secrets": [
        {"name": "token", "secretKeyRef": {"name": "api", "key": "token"}},
        {"name": "binary", "secretKeyRef": {"name": "api", "key": "binary"}},
    ]}});
    // data is base64, and stringData overrides it, as the API server has it.
    let object = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: api}\n\
                  data: {binary: AP8BgA==, token: b2xk, other: b3RoZXI=}\nstringData: {token: new}\n";
    let shoal = Shoal::up(&(single("secrets", "http_secret", grants) + object)).await;
    get(shoal.address(), "/?name=token").await.is(200, "new");
    assert_eq!(get(shoal.address(), "/?name=binary").await.body, [0, 255, 1, 128]);
    for name in ["other", "api", "api/other", ""] {
        assert_eq!(get(shoal.address(), &format!("/?name={name}")).await.status, 404);
    }
    assert!(
        !shoal.log.lines().iter().any(|line| line.contains("new")),
        "a secret is in the log"
    );
}

#[test]
fn what_is_referred_to_must_be_there() {
    let reference = |key: &str| json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "api", "key": key}}}]});
    let there = secret("api", json!({"token": "s3cret"}));
    let ended = Up::new()
        .manifest(&single("env", "http_env", reference("tokn")))
        .manifest(&there)
        .fails();
    ended.failed(
        2,
        &[
            "spec.components[0].env[0].valueFrom.secretKeyRef",
            "Secret api has no key tokn",
        ],
    );
    assert!(!ended.stderr.contains("s3cret"), "a secret is in an error");
    let ended = Up::new()
        .manifest(&single("env", "http_env", reference("token")))
        .fails();
    ended.failed(2, &["there is no Secret api", "optional: true"]);
    let config = json!({"capabilities": {"config": [{"name": "a", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "x"}}}]}});
    let ended = Up::new()
        .manifest(&single("config", "http_config", config))
        .fails();
    ended.failed(
        2,
        &[
            "spec.components[0].capabilities.config[0].valueFrom.configMapKeyRef",
            "there is no ConfigMap no",
        ],
    );
}

#[tokio::test]
async fn without_a_grant_there_is_no_configuration() {
    let shoal = Shoal::up(&single("config", "http_config", json!({}))).await;
    get(shoal.address(), "/?name=flavour").await.is(200, "none\n");
    get(shoal.address(), "/").await.is(200, "");
}

#[test]
fn without_a_grant_secrets_are_refused_by_name() {
    let parts = [
        ("/a", component("a", "http_hello", json!({}))),
        ("/b", component("b", "http_secret", json!({}))),
    ];
    Up::new().manifest(&service("secrets", &parts, json!({}))).fails().failed(
        1,
        &["component b", "shoal:service/secrets@0.1.0", "spec.components[1].capabilities.secrets: [{name: NAME, secretKeyRef: {name: SECRET, key: KEY}}]"],
    );
}
