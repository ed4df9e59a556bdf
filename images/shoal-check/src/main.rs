//! What `helm test` runs, as a component: GETs each URL among its arguments until it answers 200, for a minute, and says what became
//! of it. That it runs at all is half of the test.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};

/// A service whose pods have just started is not everywhere known yet.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let urls: Vec<String> = std::env::args().skip(1).collect();
    if urls.is_empty() {
        eprintln!("shoal-check: say which URLs");
        return ExitCode::from(2);
    }
    let began = Instant::now();
    for url in urls {
        loop {
            match get(&url) {
                Ok(200) => break println!("{url}: 200"),
                other if began.elapsed() > PATIENCE => {
                    eprintln!("shoal-check: {url}: {other:?}");
                    return ExitCode::FAILURE;
                }
                _ => std::thread::sleep(Duration::from_millis(500)),
            }
        }
    }
    ExitCode::SUCCESS
}

fn get(url: &str) -> Result<u16, String> {
    let rest = url.strip_prefix("http://").ok_or("only http:// is known here")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = OutgoingRequest::new(Fields::new());
    let said = |()| "is no URL".to_owned();
    request.set_scheme(Some(&Scheme::Http)).map_err(said)?;
    request.set_authority(Some(authority)).map_err(said)?;
    request
        .set_path_with_query(Some(if path.is_empty() { "/" } else { path }))
        .map_err(said)?;
    let answer = outgoing_handler::handle(request, None).map_err(|error| error.to_string())?;
    answer.subscribe().block();
    let response = answer.get().ok_or("no answer")?.map_err(|()| "taken")?;
    Ok(response.map_err(|error| error.to_string())?.status())
}
