//! The front page: HTML for browsers, a line of text for everyone else.

use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

wasip2::http::proxy::export!(Web);

struct Web;

impl wasip2::exports::http::incoming_handler::Guest for Web {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        if path != "/" {
            return answer(out, 404, "text/plain; charset=utf-8", "There is nothing here.\n");
        }
        // The manifest grants this variable. Of the machine's own environment a component sees nothing.
        let title = std::env::var("TITLE").unwrap_or_else(|_| "Greeter".into());
        if accepts_html(&request) {
            let page = include_str!("page.html").replace("{{title}}", &title);
            answer(out, 200, "text/html; charset=utf-8", &page);
        } else {
            answer(
                out,
                200,
                "text/plain; charset=utf-8",
                &format!("{title}: send your name to /greet\n"),
            );
        }
    }
}

fn accepts_html(request: &IncomingRequest) -> bool {
    let accept = request.headers().get("accept");
    accept
        .iter()
        .any(|value| String::from_utf8_lossy(value).contains("text/html"))
}

fn answer(out: ResponseOutparam, status: u16, content_type: &str, text: &str) {
    let headers = Fields::new();
    headers
        .set("content-type", &[content_type.into()])
        .expect("a valid header");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("a valid status");
    let body = response.body().expect("taken once");
    ResponseOutparam::set(out, Ok(response));

    let stream = body.write().expect("taken once");
    // WASI takes at most 4096 bytes in one blocking write.
    let sent = text
        .as_bytes()
        .chunks(4096)
        .all(|chunk| stream.blocking_write_and_flush(chunk).is_ok());
    drop(stream);
    if sent {
        // Where the reader has gone meanwhile, nobody is left to tell.
        let _ = OutgoingBody::finish(body, None);
    }
}
