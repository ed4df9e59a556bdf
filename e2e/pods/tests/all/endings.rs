//! What `kubectl describe` says of a container that ended is true.

use serde_json::{Value, json};
use shoal_pods::manifest::{job, pod};
use shoal_pods::{Space, guests};

/// A pod that runs a command once.
fn once(name: &str, guest: &str, args: &[&str]) -> Value {
    let mut object = pod(name, &guests::image(guest));
    object["spec"]["restartPolicy"] = json!("Never");
    object["spec"]["containers"][0]["args"] = json!(args);
    object
}

#[test]
fn completed_error_and_the_exit_code() {
    let space = Space::new("ends");
    space.apply(&once("done", "command_hello", &[]));
    space.apply(&once("failed", "command_exit_code", &["7"]));
    let done = space.terminated("done");
    assert_eq!(
        (&done["reason"], &done["exitCode"]),
        (&json!("Completed"), &json!(0)),
        "{done}"
    );
    let failed = space.terminated("failed");
    assert_eq!(
        (&failed["reason"], &failed["exitCode"]),
        (&json!("Error"), &json!(7)),
        "{failed}"
    );
    // A core module, whose memory is its own too.
    space.apply(&once("module", "module_own_page", &[]));
    let module = space.terminated("module");
    assert_eq!(
        (&module["reason"], &module["exitCode"]),
        (&json!("Error"), &json!(3)),
        "{module}"
    );
}

#[test]
fn a_trap_is_an_error_with_its_text() {
    let space = Space::new("trap");
    space.apply(&once("trap", "command_trap", &[]));
    let state = space.terminated("trap");
    assert_eq!(
        (&state["reason"], &state["exitCode"]),
        (&json!("Error"), &json!(134)),
        "{state}"
    );
    let message = state["message"].as_str().unwrap_or_default();
    assert!(message.contains("unreachable"), "{state}");
}

#[test]
fn too_much_memory_is_an_oom_kill() {
    let space = Space::new("oom");
    let mut object = once("oom", "command_memory_bomb", &[]);
    object["spec"]["containers"][0]["resources"] = json!({"limits": {"memory": "16Mi"}});
    space.apply(&object);
    let state = space.terminated("oom");
    assert_eq!(
        (&state["reason"], &state["exitCode"]),
        (&json!("OOMKilled"), &json!(137)),
        "{state}"
    );
}

#[test]
fn a_job_that_takes_too_long_exceeds_its_deadline() {
    let space = Space::new("deadline");
    let mut object = job("endless", &guests::image("command_loop"), &[]);
    object["spec"]["activeDeadlineSeconds"] = json!(3);
    object["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(1);
    space.apply(&object);
    let reason = space.until("job", "endless", |job| {
        let conditions = job["status"]["conditions"].as_array()?;
        let failed = conditions
            .iter()
            .find(|condition| condition["type"] == "Failed")?;
        failed["reason"].as_str().map(str::to_owned)
    });
    assert_eq!(reason, "DeadlineExceeded");
    // And by a limit of the pod's own, in its message.
    let mut object = once("limited", "command_loop", &[]);
    object["metadata"]["annotations"] = json!({"shoal.dev/limits": "cpuTime: 500ms"});
    space.apply(&object);
    let state = space.terminated("limited");
    assert_eq!(
        (&state["reason"], &state["exitCode"]),
        (&json!("Error"), &json!(124)),
        "{state}"
    );
    assert!(
        state["message"]
            .as_str()
            .unwrap_or_default()
            .contains("limits.cpuTime"),
        "{state}"
    );
}

#[test]
fn a_container_that_failed_is_started_again() {
    let space = Space::new("restart");
    let mut object = once("again", "command_trap", &[]);
    object["spec"]["restartPolicy"] = json!("OnFailure");
    space.apply(&object);
    space.until("pod", "again", |pod| {
        let count = pod["status"]["containerStatuses"][0]["restartCount"].as_u64()?;
        (count >= 1).then_some(())
    });
}
