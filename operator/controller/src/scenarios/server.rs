//! An API server that answers as a scenario says, and keeps what it was asked (tower-test, as kube's documentation has it).

use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::time::Duration;
use tower_test::mock::{self, Handle};

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// `PATCH deployments/greeter`: the verb, and the path behind the namespace.
    pub(super) what: String,
    pub(super) query: String,
    pub(super) body: Value,
}

/// A status and a body.
pub(super) type Answer = (u16, Value);

/// What an API server says that refuses.
pub(super) fn refusal(code: u16, reason: &str, causes: &Value) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
        "reason": reason, "message": format!("{reason}, says the server"), "details": {"causes": causes},
    });
    (code, status)
}

/// Runs `work` with a client. All that it asks is answered by `answer`, or taken as it is.
pub(super) async fn ask<W: Future>(
    answer: impl Fn(&Asked) -> Option<Answer> + Send + 'static,
    work: impl FnOnce(Client) -> W,
) -> (W::Output, Vec<Asked>) {
    let (service, handle) = mock::pair::<Request<Body>, Response<Body>>();
    let server = tokio::spawn(serve(handle, answer));
    let patience = Duration::from_secs(60);
    // The client is gone with the work, and the server ends with the client.
    let done = tokio::time::timeout(patience, work(Client::new(service, "default"))).await;
    let asked = tokio::time::timeout(patience, server).await;
    (
        done.expect("the work comes to an end"),
        asked.expect("nobody holds the client").expect("no panic"),
    )
}

async fn serve(
    mut handle: Handle<Request<Body>, Response<Body>>,
    answer: impl Fn(&Asked) -> Option<Answer>,
) -> Vec<Asked> {
    let mut all = Vec::new();
    while let Some((request, respond)) = handle.next_request().await {
        let (head, body) = request.into_parts();
        let body = body.collect_bytes().await.expect("a body");
        let path = head.uri.path();
        let path = path
            .split_once("/namespaces/shop/")
            .map_or(path, |(_, path)| path);
        let asked = Asked {
            what: format!("{} {path}", head.method),
            query: head.uri.query().unwrap_or_default().to_owned(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        };
        let (code, body) = answer(&asked).unwrap_or_else(|| (200, asked.body.clone()));
        all.push(asked);
        let mut response = Response::new(Body::from(body.to_string().into_bytes()));
        *response.status_mut() = StatusCode::from_u16(code).expect("a status");
        respond.send_response(response);
    }
    all
}
