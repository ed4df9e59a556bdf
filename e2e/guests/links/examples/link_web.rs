//! Does `?op=` by calling the component that it is linked to: add, text, bytes (of `?size=`), find, attempt and must (what `?what=`
//! says); `env` shows its own variables, `none`, `make-text` and `make-bytes` call nobody. `?times=` repeats the call and answers the last result.

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, answer};
use test::links::calls::{self, Outcome, Person};

wit_bindgen::generate!({ path: "wit", world: "caller" });
guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = Query::of(&request);
    let times = query.number("times", 1);
    let mut said = Ok(String::new());
    for _ in 0..times {
        said = run(&query);
    }
    match said {
        Ok(text) => answer(out, 200, text + "\n"),
        Err(text) => answer(out, 502, text + "\n"),
    }
}

fn run(query: &Query) -> Result<String, String> {
    let size = usize::try_from(query.number("size", 0)).unwrap_or(0);
    let what = query.get("what").unwrap_or("");
    Ok(match query.get("op").unwrap_or("add") {
        "add" => {
            let (a, b) = (query.number("a", 1) as u32, query.number("b", 2) as u32);
            calls::add(a, b).to_string()
        }
        "text" => calls::text(&"x".repeat(size)).len().to_string(),
        "bytes" => calls::bytes(&vec![7; size]).len().to_string(),
        "find" => {
            let person = |name: &str, age| Person {
                name: name.to_owned(),
                age,
            };
            match calls::find(&[person("Ada", 36), person("Grace", 85)], what) {
                Outcome::Found(person) => format!("{} is {}", person.name, person.age),
                Outcome::Unknown => "unknown".to_owned(),
            }
        }
        "attempt" => return calls::attempt(what),
        "must" => calls::must(what),
        "env" => format!("{:?}", std::env::vars().collect::<Vec<_>>()),
        "none" => "none".to_owned(),
        // What `text` and `bytes` do before and after they call.
        "make-text" => std::hint::black_box("x".repeat(size)).len().to_string(),
        "make-bytes" => std::hint::black_box(vec![7u8; size]).len().to_string(),
        other => return Err(format!("no such op: {other}")),
    })
}
