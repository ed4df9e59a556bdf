//! Passes every call on to the component that it is linked to; numbers come back one larger.

use exports::test::links::calls as ours;
use test::links::calls as theirs;

wit_bindgen::generate!({ path: "wit", world: "middle" });

struct Middle;

impl ours::Guest for Middle {
    fn add(a: u32, b: u32) -> u32 {
        theirs::add(a, b) + 1
    }

    fn text(it: String) -> String {
        theirs::text(&it)
    }

    fn bytes(it: Vec<u8>) -> Vec<u8> {
        theirs::bytes(&it)
    }

    fn find(people: Vec<ours::Person>, name: String) -> ours::Outcome {
        let people: Vec<_> = people
            .into_iter()
            .map(|it| theirs::Person {
                name: it.name,
                age: it.age,
            })
            .collect();
        match theirs::find(&people, &name) {
            theirs::Outcome::Found(it) => ours::Outcome::Found(ours::Person {
                name: it.name,
                age: it.age + 1,
            }),
            theirs::Outcome::Unknown => ours::Outcome::Unknown,
        }
    }

    fn attempt(what: String) -> Result<String, String> {
        if what == "env-of-middle" {
            return Ok(format!("{:?}", std::env::vars().collect::<Vec<_>>()));
        }
        theirs::attempt(&what)
    }

    fn must(what: String) -> String {
        theirs::must(&what)
    }
}

export!(Middle);
