//! What a component prints is what `kubectl logs` shows.

use serde_json::json;
use shoal_pods::manifest::job;
use shoal_pods::{Space, guests};

#[test]
fn every_byte_of_a_job_is_in_its_log() {
    let space = Space::new("logs");
    for guest in ["command_print", "command3_print"] {
        let name = guest.replace('_', "-");
        let mut object = job(&name, &guests::image(guest), &["40000", "100000"]);
        object["spec"]["template"]["metadata"]["annotations"] =
            json!({"shoal.dev/limits": "{cpuTime: 1m, requestTimeout: 2m}"});
        space.apply(&object);
        space.until("job", &name, |job| {
            (job["status"]["succeeded"].as_u64()? == 1).then_some(())
        });
        let log = space.kubectl(&["logs", &format!("job/{name}")]);
        let mut expected = "x".repeat(40_000) + "\n";
        for n in 0..100_000 {
            expected += &format!("{n:06} of those that are kept\n");
        }
        if guest == "command_print" {
            // It comes last, but from another pipe.
            assert!(log.contains("done\n"), "{guest}");
        }
        assert!(
            log.replacen("done\n", "", 1) == expected,
            "{guest}: {} bytes",
            log.len()
        );
    }
}
