//! Points in time. The next minute is waited for, so these take one.

use serde_json::json;
use shoal_e2e::redis::Redis;
use shoal_e2e::{Shoal, component, service, until};

#[tokio::test]
async fn a_minute_calls_each_kind_of_component() {
    let redis = Redis::start();
    let grants = |store: &str| json!({"capabilities": {"keyValue": [{"name": "default", "store": store}]}});
    let store =
        |name: &str| json!({"name": name, "redis": {"url": redis.url(), "prefix": format!("{name}:")}});
    let named = json!({"args": ["tock"], "env": [{"name": "FISH", "value": "shoal"}]});
    let coarse = json!({"args": ["clocks"], "capabilities": {"clocks": {"resolution": "20ms"}}});
    let components = [
        ("", component("worker", "service_worker", grants("worker"))),
        ("", component("greeter", "service_greeter", grants("greeter"))),
        (
            "",
            component("program", "command_hello", json!({"args": ["tick"]})),
        ),
        ("", component("module", "module_hello", named)),
        ("", component("clocks", "module_probe", coarse)),
        // More than a second's worth of its log.
        (
            "",
            component(
                "printer",
                "command_print",
                json!({"args": ["40000", "20000"], "limits": {"logRate": "256Ki", "cpuTime": "10s"}}),
            ),
        ),
    ];
    let trigger = |component: &str, more: serde_json::Value| {
        let mut schedule = json!({"cron": "* * * * *"});
        schedule
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"name": component, "component": component, "schedule": schedule})
    };
    let text = service(
        "nightly",
        &components,
        json!({
            "triggers": [
                trigger("worker", json!({"timeZone": "Asia/Kolkata", "concurrencyPolicy": "Forbid"})),
                trigger("greeter", json!({"startingDeadlineSeconds": 3600})),
                trigger("program", json!({"concurrencyPolicy": "Replace"})),
                trigger("module", json!({})),
                trigger("clocks", json!({})),
                trigger("printer", json!({"concurrencyPolicy": "Forbid"})),
            ],
            "stores": [store("worker"), store("greeter")],
        }),
    );
    let shoal = Shoal::up(&text).await;
    assert_eq!(
        shoal.log.events("waiting")[0]["triggers"],
        json!(["worker", "greeter", "program", "module", "clocks", "printer"])
    );
    for name in ["worker", "greeter"] {
        // The time, as RFC 3339 has it: `worker:2026-11-23T02:00:00Z`.
        until(name, || {
            let keys = redis.say(&["KEYS", &format!("{name}:2*:00Z")]);
            keys.starts_with(name).then_some(())
        })
        .await;
    }
    for wanted in [
        "arg tick",
        "arg tock",
        "env FISH=shoal",
        "clock 0 resolution 20000000 in whole steps true above zero true",
        "clock 1 resolution 20000000 in whole steps true above zero true",
    ] {
        until(wanted, || {
            let said = shoal.log.of("nightly");
            said.iter().any(|line| line == wanted).then_some(())
        })
        .await;
    }
    until("the last line of the printer", || {
        let said = shoal.log.of("nightly");
        said.iter().any(|line| line == "done").then_some(())
    })
    .await;
    let said = shoal.log.of("nightly");
    assert!(said.contains(&"x".repeat(40_000)));
    let lines = said.iter().filter(|it| it.ends_with(" of those that are kept"));
    assert_eq!(lines.count(), 20_000);
    assert_eq!(shoal.log.events("dropped").len(), 0);
    let counts = super::counts(shoal, "program").await;
    assert!(counts["succeeded"].as_u64().unwrap() >= 1, "{counts}");
    assert_eq!(counts["failed"], 0, "{counts}");
}
