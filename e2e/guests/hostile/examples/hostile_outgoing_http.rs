//! Starts `?n=` requests (5,000 unless told) to `?addr=` before it waits for the first. outboundConnections must hold
//! back or refuse all but a few; it answers how many ended in which way.

use std::collections::BTreeMap;

use guest_http::wasip2::http::outgoing_handler;
use guest_http::wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingRequest, OutgoingRequest, ResponseOutparam, Scheme,
};
use guest_http::{Query, answer};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = Query::of(&request);
    let authority = query.get("addr").unwrap_or("127.0.0.1:80");
    let started: Vec<_> = (0..query.number("n", 5000)).map(|_| start(authority)).collect();
    let mut ends = BTreeMap::new();
    let mut answers = Vec::new();
    for future in started {
        let end = future.and_then(|future| {
            future.subscribe().block();
            future.get().unwrap().unwrap()
        });
        let end = match end {
            Ok(response) => {
                let status = response.status();
                // Kept, so that its connection is.
                answers.push(response);
                format!("status {status}")
            }
            Err(error) => format!("{error:?}"),
        };
        *ends.entry(end).or_insert(0u64) += 1;
    }
    answer(
        out,
        200,
        ends.iter()
            .map(|(end, times)| format!("{times} x {end}\n"))
            .collect::<String>(),
    );
}

fn start(authority: &str) -> Result<FutureIncomingResponse, ErrorCode> {
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).unwrap();
    request.set_authority(Some(authority)).unwrap();
    request.set_path_with_query(Some("/")).unwrap();
    outgoing_handler::handle(request, None)
}
