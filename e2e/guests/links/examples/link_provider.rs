//! Exports what `link_web` calls. `attempt` and `must` do what they are told: `say:TEXT`, `env`, `file:PATH`, `log:TEXT`, `trap`,
//! `spin`, `hang`, `exit`, `flood:BYTES`, `eat:BYTES`, `no` (an error where there is a place for one).

use exports::test::links::calls::{Guest, Outcome, Person};

wit_bindgen::generate!({ path: "wit", world: "provider" });

struct Provider;

impl Guest for Provider {
    fn add(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    fn text(it: String) -> String {
        it
    }

    fn bytes(it: Vec<u8>) -> Vec<u8> {
        it
    }

    fn find(people: Vec<Person>, name: String) -> Outcome {
        let found = people.into_iter().find(|person| person.name == name);
        found.map_or(Outcome::Unknown, Outcome::Found)
    }

    fn attempt(what: String) -> Result<String, String> {
        attempt(&what)
    }

    fn must(what: String) -> String {
        attempt(&what).unwrap_or_else(|error| format!("error: {error}"))
    }
}

fn attempt(what: &str) -> Result<String, String> {
    let (what, with) = what.split_once(':').unwrap_or((what, ""));
    let number = || with.parse::<usize>().unwrap_or(0);
    match what {
        "say" => Ok(with.to_owned()),
        "env" => Ok(format!("{:?}", std::env::vars().collect::<Vec<_>>())),
        "file" => std::fs::read_to_string(with).map_err(|error| error.to_string()),
        "log" => {
            println!("{with}");
            Ok("logged".to_owned())
        }
        "trap" => panic!("as it was told"),
        "spin" => loop {
            std::hint::black_box(());
        },
        "hang" => {
            wasip2::clocks::monotonic_clock::subscribe_duration(u64::MAX).block();
            Ok("awake".to_owned())
        }
        "exit" => std::process::exit(3),
        "flood" => Ok("f".repeat(number())),
        "eat" => Ok(vec![1u8; number()]
            .iter()
            .map(|it| u64::from(*it))
            .sum::<u64>()
            .to_string()),
        "no" => Err("no".to_owned()),
        other => Err(format!("no such attempt: {other}")),
    }
}

export!(Provider);
