//! A fleet whose services come from neither a laptop's cache nor a pod: this test implements both seams of `shoal-service` itself.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use async_trait::async_trait;
use serde_json::{Value, json};
use shoal_api::{Component, Store, WasmService};
use shoal_compile::{CompileLimits, Compiler};
use shoal_fleet::{Arrival, Fleet, ServiceId};
use shoal_service::{
    Admit, Assembler, Compiled, Definition, Dialer, Line, LogSink, Mount, Neighbourhood, Neighbours, Objects,
    Output, Outside, Owner, PoolOptions, ServiceError, StoreFile, Supplied, Supply,
};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const GRACE: Duration = Duration::from_secs(10);

/// A process with services whose compiled files are there.
struct Pack {
    assembler: Assembler,
    neighbourhood: Arc<Neighbourhood>,
    fleet: Fleet,
    code: HashMap<String, Compiled>,
    folder: TempDir,
}

/// Compiled files that were there before.
struct Precompiled<'a>(&'a HashMap<String, Compiled>);

#[async_trait]
impl Supply for Precompiled<'_> {
    async fn supply(
        &self,
        components: &[&Component],
        roots: &[usize],
        _admit: &Admit<'_>,
    ) -> Result<Supplied, ServiceError> {
        let code = |it: &Component| self.0[it.image.as_deref().unwrap()].clone();
        let compiled = roots.iter().map(|at| {
            Compiled::new(
                code(components[*at]).path,
                code(components[*at]).digest,
                code(components[*at]).description,
                vec![*at],
            )
        });
        Ok(Supplied {
            digests: components.iter().map(|it| code(it).digest).collect(),
            roots: compiled.collect(),
        })
    }
}

/// Nothing but neighbours, stores of the service's own, and a log that nobody reads.
struct Inside {
    id: ServiceId,
    neighbours: Arc<dyn Neighbours>,
    files: PathBuf,
}

struct Nowhere;

#[async_trait]
impl Dialer for Nowhere {
    async fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    async fn connect(&self, _address: SocketAddr) -> io::Result<TcpStream> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

impl LogSink for Nowhere {
    fn line(&self, _line: Line<'_>) {}

    fn dropped(&self, _bytes: u64) {}
}

#[async_trait]
impl Outside for Inside {
    fn owner(&self) -> Owner {
        Owner {
            name: self.id.to_string(),
            lasting: false,
        }
    }

    fn dialer(&self, _place: usize) -> Arc<dyn Dialer> {
        Arc::new(Nowhere)
    }

    fn neighbours(&self) -> Option<Arc<dyn Neighbours>> {
        Some(Arc::clone(&self.neighbours))
    }

    fn output(&self, _place: usize, _component: &Component) -> Output {
        Output::Log(Arc::new(Nowhere))
    }

    async fn mounts(&self, _place: usize, _component: &Component) -> Result<Vec<Mount>, ServiceError> {
        Ok(Vec::new())
    }

    async fn store_file(&self, store: &Store) -> Result<Option<StoreFile>, ServiceError> {
        let name = format!("{}.{}", self.id, store.name).replace('/', "_");
        let mut options = std::fs::File::options();
        let file = options.read(true).write(true).create(true).truncate(false);
        Ok(file.open(self.files.join(name)).ok().map(StoreFile::Opened))
    }
}

impl Pack {
    async fn start(guests: &[&str]) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let program = std::env::current_exe().unwrap();
        let program = program.ancestors().nth(2).unwrap().join("shoal-compile");
        let compiler =
            Compiler::new(program, CompileLimits::default()).expect("run `make build guests` first");
        let mut code = HashMap::new();
        for guest in guests {
            let path = folder.path().join(format!("{guest}.cwasm"));
            let wasm = wasm(guest);
            let description = compiler
                .compile(&wasm, &path)
                .await
                .expect("run `make build guests` first");
            let compiled = Compiled::new(path, format!("sha256:{guest}"), description, vec![0]);
            code.insert((*guest).to_owned(), compiled);
        }
        let neighbourhood = Arc::<Neighbourhood>::default();
        Self {
            assembler: Assembler::new(PoolOptions::default(), Duration::from_secs(60)),
            fleet: Fleet::new(Arc::clone(&neighbourhood)),
            neighbourhood,
            code,
            folder,
        }
    }

    /// A service that is ready to run, with the port that was given to it.
    async fn arrival(&self, manifest: Value) -> Arrival {
        let manifest: WasmService = serde_json::from_value(manifest).unwrap();
        let id = ServiceId::of_manifest(&manifest);
        let outside = Inside {
            neighbours: self.neighbourhood.seen_from(&id.namespace),
            files: self.folder.path().to_owned(),
            id,
        };
        let definition = Definition {
            manifest: &manifest,
            objects: &Objects::default(),
            linkable: true,
        };
        let supply = Precompiled(&self.code);
        let assembled = self
            .assembler
            .assemble(definition, &supply, Arc::new(outside))
            .await;
        Arrival {
            service: assembled.unwrap(),
            listener: Some(TcpListener::bind("127.0.0.1:0").await.unwrap()),
        }
    }

    async fn get(&self, (namespace, name): (&str, &str), path: &str) -> String {
        let address = self
            .fleet
            .address(&ServiceId::new(namespace, name))
            .expect("it listens");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer");
        // What is chunked here has one chunk with text.
        body.lines()
            .nth(usize::from(answer.contains("chunked")))
            .unwrap_or_default()
            .to_owned()
    }

    /// How many times a guest's compiled file is mapped. Each mapping has one part that begins at the file's beginning.
    fn mappings(&self, guest: &str) -> usize {
        let path = self.code[guest].path.canonicalize().unwrap();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let maps = maps.lines().filter(|line| line.ends_with(path.to_str().unwrap()));
        maps.filter(|line| line.split_whitespace().nth(2) == Some("00000000"))
            .count()
    }
}

fn wasm(guest: &str) -> PathBuf {
    let folder = std::env::var_os("SHOAL_GUESTS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache");
        cache.unwrap_or_else(home).join("shoal/guests/components")
    });
    folder.join(format!("{guest}.wasm"))
}

fn service((namespace, name): (&str, &str), guest: &str, component: Value, spec: Value) -> Value {
    let mut of_component = json!({"name": "it", "image": guest});
    let mut of_spec = json!({"triggers": [{"name": "http", "component": "it", "http": {"path": "/"}}]});
    of_component
        .as_object_mut()
        .unwrap()
        .extend(component.as_object().unwrap().clone());
    of_spec
        .as_object_mut()
        .unwrap()
        .extend(spec.as_object().unwrap().clone());
    of_spec["components"] = json!([of_component]);
    json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "WasmService",
        "metadata": {"namespace": namespace, "name": name}, "spec": of_spec,
    })
}

fn kv(namespace: &str, store: Value) -> Value {
    let grants = json!({"capabilities": {"keyValue": [{"name": "default", "store": "data"}]}});
    service((namespace, "shop"), "http_kv", grants, json!({"stores": [store]}))
}

#[tokio::test]
async fn services_of_two_namespaces_share_a_name_and_no_store() {
    let pack = Pack::start(&["http_kv"]).await;
    for store in [
        json!({"name": "data", "memory": {}}),
        json!({"name": "data", "persistent": {"volume": "disk"}}),
    ] {
        for namespace in ["one", "two"] {
            pack.fleet
                .place(pack.arrival(kv(namespace, store.clone())).await)
                .unwrap();
        }
        let (one, two) = (("one", "shop"), ("two", "shop"));
        assert_eq!(pack.get(one, "/?op=set&key=who&value=one").await, "done");
        assert_eq!(pack.get(two, "/?op=get&key=who").await, "none");
        // One that comes in its place has the same store.
        let before = pack
            .fleet
            .replace(pack.arrival(kv("one", store.clone())).await)
            .unwrap();
        assert!(before.finish(GRACE).await);
        assert_eq!(pack.get(one, "/?op=get&key=who").await, "one");
        assert_eq!(pack.mappings("http_kv"), 1);
        for namespace in ["one", "two"] {
            let withdrawn = pack.fleet.withdraw(&ServiceId::new(namespace, "shop")).unwrap();
            assert!(withdrawn.draining.finish(GRACE).await);
        }
    }
}

#[tokio::test]
async fn links_stay_within_a_namespace_and_map_no_file_again() {
    let pack = Pack::start(&["link_web", "link_provider"]).await;
    let links = json!([{"import": "test:links/calls", "service": "audit"}]);
    for namespace in ["one", "two"] {
        let env = |who: &str| json!([{"name": "WHO", "value": format!("{who} of {namespace}")}]);
        let web = json!({"links": links, "env": env("shop")});
        let shop = service((namespace, "shop"), "link_web", web, json!({}));
        let log = json!({"env": env("audit")});
        let audit = service(
            (namespace, "audit"),
            "link_provider",
            log,
            json!({"triggers": []}),
        );
        let arrivals = vec![pack.arrival(shop).await, pack.arrival(audit).await];
        pack.fleet.place_all(arrivals).unwrap();
    }
    for namespace in ["one", "two"] {
        assert_eq!(
            pack.get((namespace, "shop"), "/?op=must&what=env").await,
            format!("[(\"WHO\", \"audit of {namespace}\")]")
        );
    }
    // Each runs in two services. What a link leads to is its caller's own; the code is not.
    assert_eq!(
        (pack.mappings("link_web"), pack.mappings("link_provider")),
        (1, 1)
    );
    let withdrawn = pack.fleet.withdraw(&ServiceId::new("two", "audit")).unwrap();
    assert_eq!(withdrawn.dangling.len(), 1);
    assert!(
        pack.get(("two", "shop"), "/?op=attempt&what=env")
            .await
            .contains("audit")
    );
    assert_eq!(
        pack.get(("one", "shop"), "/?op=must&what=env").await,
        "[(\"WHO\", \"audit of one\")]"
    );
}
