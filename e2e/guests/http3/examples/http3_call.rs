//! `http_call` by the client of wasi:http 0.3: sends a request to `?url=` with `?method=`, each `?header=NAME:VALUE`, `?body=` and each
//! `?trailer=NAME:VALUE`, and tells a line for each thing that came of it: `error` or `status`, `body`, `trailer`, `sent`.

use std::fmt::Write as _;

use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response};
use wasip3::{wit_future, wit_stream};

struct Call;

wasip3::http::service::export!(Call);

impl wasip3::exports::http::handler::Guest for Call {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let query: Vec<_> = target
            .split_once('?')
            .map_or("", |(_, query)| query)
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        let mut text = String::new();
        if let Err(error) = call(&query, &mut text).await {
            writeln!(text, "error: {error:?}").unwrap();
        }
        let (mut body, reader) = wit_stream::new();
        let (_, trailers) = wit_future::new(|| Ok(None));
        let (response, _sent) = Response::new(Fields::new(), Some(reader), trailers);
        wasip3::spawn_local(async move {
            body.write_all(text.into_bytes()).await;
        });
        Ok(response)
    }
}

type Query<'a> = [(&'a str, &'a str)];

fn first<'a>(query: &Query<'a>, name: &str) -> Option<&'a str> {
    query.iter().find(|(it, _)| *it == name).map(|(_, value)| *value)
}

fn fields(query: &Query, name: &str) -> Fields {
    let fields = Fields::new();
    let values = query.iter().filter(|(it, _)| *it == name);
    for (name, value) in values.filter_map(|(_, it)| it.split_once(':')) {
        fields.append(name, value.as_bytes()).unwrap();
    }
    fields
}

async fn call(query: &Query<'_>, text: &mut String) -> Result<(), ErrorCode> {
    let url = first(query, "url").unwrap_or_default();
    let (scheme, authority, path) = guest_http3::parts(url);
    let (mut body, reader) = wit_stream::new();
    let (ended, trailers) = wit_future::new(|| Ok(None));
    let (request, sent) = Request::new(fields(query, "header"), Some(reader), trailers, None);
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    if first(query, "method") == Some("POST") {
        request.set_method(&Method::Post).map_err(invalid)?;
    }
    request.set_scheme(Some(&scheme)).map_err(invalid)?;
    request.set_authority(Some(authority)).map_err(invalid)?;
    if !path.is_empty() {
        request.set_path_with_query(Some(path)).map_err(invalid)?;
    }
    let bytes = first(query, "body").unwrap_or_default().as_bytes().to_vec();
    let last = first(query, "trailer").map(|_| fields(query, "trailer"));
    wasip3::spawn_local(async move {
        body.write_all(bytes).await;
        drop(body);
        let _ = ended.write(Ok(last)).await;
    });
    let answer = client::send(request).await?;
    writeln!(text, "status: {}", answer.get_status_code()).unwrap();
    let (_, received) = wit_future::new(|| Ok(()));
    let (mut stream, trailers) = Response::consume_body(answer, received);
    let mut whole = Vec::new();
    while let Some(byte) = stream.next().await {
        whole.push(byte);
    }
    writeln!(text, "body: {}", String::from_utf8_lossy(&whole)).unwrap();
    for (name, value) in trailers.await?.into_iter().flat_map(|it| it.copy_all()) {
        writeln!(text, "trailer: {name}: {}", String::from_utf8_lossy(&value)).unwrap();
    }
    writeln!(text, "sent: {:?}", sent.await).unwrap();
    Ok(())
}
