//! A way to the API server that knows of every request: it counts them, and can kill whoever asks, just before or just after a write
//! of its choice. `kubectl proxy` does the authentication.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::{Pid, Signal, kill_process};
use shoal_pods::cluster;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A request that went through.
#[derive(Clone, Debug)]
pub struct Request {
    /// When it came.
    pub at: Instant,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Whether it asked for a stream of changes.
    pub watch: bool,
}

impl Request {
    /// Whether it could change something of a service: leases and events are not counted.
    pub fn writes(&self) -> bool {
        self.method != "GET" && !self.path.contains("/leases") && !self.path.contains("/events")
    }
}

/// When whoever asks is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the write reaches the API server.
    Before,
    /// After the API server has answered, before the answer is passed on.
    After,
}

/// The proxy. Ends when dropped.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    upstream: Child,
    _runtime: Runtime,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    victim: Option<u32>,
    /// How many writes are let through before the deadly one.
    trap: Option<(usize, Moment)>,
}

impl Proxy {
    /// Starts one to the cluster of the environment.
    pub fn start() -> Self {
        let mut upstream = cluster()
            .kubectl
            .command(&["proxy", "--port=0", "--reject-paths=^$", "--reject-methods=^$"])
            .stdout(Stdio::piped())
            // It reports every watch that was ended.
            .stderr(Stdio::null())
            .spawn()
            .expect("kubectl proxy");
        let mut line = String::new();
        let stdout = upstream.stdout.take().expect("its output");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let target = line
            .trim()
            .rsplit(' ')
            .next()
            .expect("Starting to serve on …")
            .to_owned();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let state = Arc::<Mutex<State>>::default();
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let client = Client::builder(TokioExecutor::new()).build_http();
        runtime.spawn(accept(listener, client, target, Arc::clone(&state)));
        Self {
            address,
            state,
            upstream,
            _runtime: runtime,
        }
    }

    /// Forgets what was asked so far.
    pub fn clear(&self) {
        self.state().requests.clear();
    }

    /// What was asked since.
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// The writes among it.
    pub fn writes(&self) -> Vec<Request> {
        self.requests().into_iter().filter(Request::writes).collect()
    }

    /// Kills whoever asks around its write number `number`, counted from 0 and from now.
    pub fn trap(&self, number: usize, moment: Moment) {
        self.state().trap = Some((number, moment));
    }

    /// Whether the trap is still set; takes it away.
    pub fn disarm(&self) -> bool {
        self.state().trap.take().is_some()
    }

    pub(crate) fn victim(&self, pid: u32) {
        self.state().victim = Some(pid);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.upstream.kill();
        let _ = self.upstream.wait();
    }
}

type Forward = Client<HttpConnector, Incoming>;

async fn accept(listener: TcpListener, client: Forward, target: String, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (client, target, state) = (client.clone(), target.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                forward(client.clone(), target.clone(), Arc::clone(&state), request)
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn forward(
    client: Forward,
    target: String,
    state: Arc<Mutex<State>>,
    mut request: hyper::Request<Incoming>,
) -> Result<
    Response<http_body_util::combinators::BoxBody<hyper::body::Bytes, hyper::Error>>,
    hyper_util::client::legacy::Error,
> {
    let seen = Request {
        at: Instant::now(),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        watch: request.uri().query().is_some_and(|it| it.contains("watch=true")),
    };
    let deadly = count(&state, seen, request.method());
    if deadly == Some(Moment::Before) {
        kill(&state);
    }
    let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
    *request.uri_mut() = format!("http://{target}{path}").parse().expect("a URI");
    let response = client.request(request).await?;
    if deadly == Some(Moment::After) {
        kill(&state);
    }
    Ok(response.map(|body| body.boxed()))
}

fn count(state: &Mutex<State>, request: Request, method: &Method) -> Option<Moment> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let writes = method != Method::GET && request.writes();
    state.requests.push(request);
    let (left, moment) = state.trap.as_mut().filter(|_| writes)?;
    if *left > 0 {
        *left -= 1;
        return None;
    }
    let moment = *moment;
    state.trap = None;
    Some(moment)
}

fn kill(state: &Mutex<State>) {
    let victim = state.lock().unwrap_or_else(PoisonError::into_inner).victim;
    let pid = victim
        .and_then(|it| i32::try_from(it).ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::KILL);
    }
}
