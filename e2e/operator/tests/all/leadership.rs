//! One writer at a time, wherever it is killed or paused.

use serde_json::json;
use shoal_operated::manifest::{replicated, service};
use shoal_operated::{Moment, Operator, condition_is, ready};
use shoal_pods::{Space, guests};
use std::time::{Duration, Instant};

#[test]
fn an_operator_that_is_killed_at_any_step_is_followed_by_one_that_finishes() {
    let space = Space::new("killed");
    let mut operator = Operator::start("a", &[&space.name]);
    let images = [guests::image("http_hello"), guests::image("http3_hello")];
    let mut steps = 0;
    for number in 0.. {
        let mut was_killed = false;
        for moment in [Moment::Before, Moment::After] {
            // Creation first, then changes of everything there is to change.
            let name = format!("greeter-{number}-{}", moment as u8);
            operator.proxy.trap(number, moment);
            let mut object = replicated(&name, &images[0], 2);
            object["spec"]["scaling"]["maxReplicas"] = json!(3);
            space.apply(&object);
            let killed = wait_for_end(&mut operator, &space, &name);
            if killed {
                was_killed = true;
                steps += 1;
                operator.go();
            }
            ready(&space, &name);
            for kind in ["deployment", "service", "networkpolicy", "hpa", "pdb"] {
                space.get(kind, &name);
            }
            space.kubectl(&["delete", "wsvc", &name, "--wait=false"]);
        }
        if !was_killed {
            break;
        }
    }
    // Five objects, and a status before and after.
    assert!(steps >= 12, "only {steps} steps");
    // The same for a change of what is there.
    space.apply(&service("changed", &images[0]));
    ready(&space, "changed");
    for number in 0..3 {
        operator.proxy.trap(number, Moment::After);
        space.apply(&service("changed", &images[(number + 1) % 2]));
        if wait_for_end(&mut operator, &space, "changed") {
            operator.go();
        }
        ready(&space, "changed");
    }
}

/// Whether the operator was killed before the service was ready.
fn wait_for_end(operator: &mut Operator, space: &Space, name: &str) -> bool {
    let ended = space.until("wasmservice", name, |object| {
        let seen = object["status"]["observedGeneration"] == object["metadata"]["generation"];
        let is_ready = shoal_operated::condition(object, "Ready").is_some_and(|it| it["status"] == "True");
        match operator.has_ended() {
            true => Some(true),
            false => (seen && is_ready).then_some(false),
        }
    });
    let _ = operator.proxy.disarm();
    ended
}

#[test]
fn a_leader_that_was_paused_past_its_lease_writes_no_more() {
    let space = Space::new("paused");
    let mut first = Operator::start("first", &[&space.name]);
    space.apply(&service("one", &guests::image("http_hello")));
    ready(&space, "one");
    let second = Operator::start("second", &[&space.name]);
    first.pause();
    let holder = |name: &str| {
        shoal_pods::until(&format!("{name} leads"), || {
            let lease = space.get("lease", "shoal-operator");
            match lease["spec"]["holderIdentity"].as_str() {
                Some(holder) if holder == name => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    };
    holder("second");
    // Work for whoever thinks that it leads: what the first one knows is old.
    space.apply(&replicated("one", &guests::image("http3_hello"), 2));
    space.apply(&service("two", &guests::image("http_hello")));
    ready(&space, "one");
    ready(&space, "two");
    first.proxy.clear();
    let resumed = Instant::now();
    first.resume();
    space.apply(&replicated("one", &guests::image("http_hello"), 3));
    shoal_pods::until("the first one ends", || match first.has_ended() {
        true => Ok(()),
        false if resumed.elapsed() > Duration::from_secs(60) => panic!("it goes on"),
        false => Err("it still runs".to_owned()),
    });
    ready(&space, "one");
    let writes = first.proxy.writes();
    assert!(writes.is_empty(), "after its pause: {writes:?}");
    assert!(!second.proxy.writes().is_empty());
    let lease = space.get("lease", "shoal-operator");
    assert_eq!(lease["spec"]["holderIdentity"], "second");
}

#[test]
fn services_answer_while_no_operator_runs_and_one_that_ends_gives_the_lease_back() {
    let space = Space::new("down");
    let mut operator = Operator::start("a", &[&space.name]);
    space.apply(&service("greeter", &guests::image("http_hello")));
    ready(&space, "greeter");
    assert!(operator.terminate(), "{}", operator.log());
    let lease = space.get("lease", "shoal-operator");
    assert_eq!(lease["spec"]["holderIdentity"].as_str().unwrap_or(""), "");
    let pods = space.list(&["pods", "-l", "shoal.dev/service=greeter"]);
    let pod = pods["items"][0]["metadata"]["name"].as_str().unwrap();
    let ip = pods["items"][0]["status"]["podIP"].as_str().unwrap();
    let node = space.node_of(pod);
    let netns = shoal_pods::space::local(node).netns.clone();
    let address = format!("{ip}:8080").parse().unwrap();
    let answer = std::thread::spawn(move || {
        shoal_pods::http::enter(&netns);
        shoal_pods::http::get(address, "/")
    });
    let (status, body) = answer.join().unwrap().unwrap();
    assert_eq!((status, body.trim()), (200, "hello, world"));
    operator.go();
    space.kubectl(&["scale", "wsvc", "greeter", "--replicas=2"]);
    condition_is(&space, "greeter", "Ready", "True");
}
