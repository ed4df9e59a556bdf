//! Clocks are as coarse as the manifest says.

use serde_json::json;
use shoal_e2e::{Shoal, component, get, service};

#[tokio::test]
async fn both_clocks_tick_in_steps_of_their_resolution() {
    let clock = |name: &str, resolution: Option<&str>| {
        let clocks = resolution.map_or(
            json!({}),
            |it| json!({"capabilities": {"clocks": {"resolution": it}}, "limits": {"cpuTime": "10s"}}),
        );
        component(name, "http_clock", clocks)
    };
    let parts = [
        ("/default", clock("default", None)),
        ("/coarse", clock("coarse", Some("20ms"))),
        ("/fine", clock("fine", Some("1us"))),
    ];
    let shoal = Shoal::up(&service("clocks", &parts, json!({}))).await;
    for (target, resolution, steps) in [
        ("/default", 1_000_000u64, 5),
        ("/coarse", 20_000_000, 2),
        ("/fine", 1000, 20),
    ] {
        let text = get(shoal.address(), &format!("{target}?steps={steps}"))
            .await
            .text();
        assert_eq!(text.lines().count(), 2, "{text}");
        for line in text.lines() {
            let number = |after: &str| -> u64 {
                let rest = line.split_once(after).unwrap_or_else(|| panic!("{line}")).1;
                rest.split([' ', ','])
                    .next()
                    .unwrap()
                    .parse()
                    .unwrap_or_else(|_| panic!("{line}"))
            };
            assert_eq!(number("resolution "), resolution, "{line}");
            assert_eq!(number("back "), 0, "{line}");
            let step = number("smallest step ");
            assert!(step > 0 && step.is_multiple_of(resolution), "{line}");
        }
    }
}

#[tokio::test]
async fn randomness_differs_from_instance_to_instance() {
    let shoal = Shoal::up(&shoal_e2e::manifest::single("random", "http_random", json!({}))).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let text = get(shoal.address(), "/?bytes=32").await.text();
        assert_eq!(
            text.lines().map(str::len).collect::<Vec<_>>(),
            [64, 64, 32, 32],
            "{text}"
        );
        let (first, second) = (text.lines().nth(2), text.lines().nth(3));
        assert_eq!(first, second, "one instance has one seed");
        seen.extend(text.lines().map(str::to_owned));
    }
    assert_eq!(seen.len(), 60, "something came twice");
}
