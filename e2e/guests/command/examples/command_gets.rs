//! `URL COUNT`: sends so many GETs, one after the other, and writes the empty body of each after it was sent.

fn main() {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().expect("a URL");
    let count = arguments.next().and_then(|it| it.parse().ok()).expect("a count");
    match guest_http::client::gets(&url, count) {
        Ok(()) => println!("ok"),
        Err(error) => {
            println!("{error}");
            std::process::exit(1);
        }
    }
}
