//! The trace headers that a server is sent (W3C Trace Context).

use super::*;

/// What a server is sent by a request in this context, in lower case.
async fn head_of(request: Request<WasiBody>, listener: TcpListener, context: CallContext) -> String {
    let address = listener.local_addr().expect("an address");
    let seen = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.expect("accept");
        let mut seen = vec![];
        while !seen.ends_with(b"\r\n\r\n") {
            connection.read_buf(&mut seen).await.expect("read");
        }
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        connection.write_all(answer).await.expect("write");
        String::from_utf8(seen).expect("text")
    });
    let sent = send(outbound(address), request, None, context).await;
    assert_eq!(sent.expect("sent").0.status(), 204);
    seen.await.expect("seen").to_lowercase()
}

#[tokio::test]
async fn a_trace_goes_out_to_the_network_unless_the_guest_has_its_own() {
    let trace = crate::Trace::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let context = CallContext {
        trace: trace.map(|it| it.with_state(["a=1", "b=2"])),
        ..CallContext::default()
    };
    let listen = || async { TcpListener::bind("127.0.0.1:0").await.expect("bind") };
    let uri = |it: &TcpListener| format!("http://{}/", it.local_addr().expect("an address"));

    let listener = listen().await;
    let request = get(&uri(&listener));
    let head = head_of(request, listener, context.clone()).await;
    assert!(
        head.contains("\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-"),
        "{head}"
    );
    assert!(head.contains("\r\ntracestate: a=1,b=2\r\n"), "{head}");
    assert!(!head.contains("00f067aa0ba902b7"), "a span of its own: {head}");

    let listener = listen().await;
    let mut request = get(&uri(&listener));
    let own = http::HeaderValue::from_static("00-11111111111111111111111111111111-2222222222222222-00");
    request.headers_mut().insert("traceparent", own);
    let head = head_of(request, listener, context).await;
    assert!(head.contains("\r\ntraceparent: 00-1111"), "{head}");
    assert!(!head.contains("tracestate") && !head.contains("4bf9"), "{head}");

    let listener = listen().await;
    let request = get(&uri(&listener));
    let head = head_of(request, listener, CallContext::default()).await;
    assert!(!head.contains("trace"), "{head}");
}
