//! What an instance costs, and a call of one, without any HTTP around it: store, instance, request, answer, and all of it dropped.

use super::Options;
use crate::corpus::Corpus;
use crate::figures::{Figures, median, percentile};
use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use shoal_capability::{Grants, GrantsBuilder, RequestId, State};
use shoal_engine::{
    Engine, Engines, Limiter, Limits, Loaded, Meter, Native, Permit, PoolOptions, Variant, metered,
};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wasmtime::Store;
use wasmtime::component::Linker;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::{WasiBody, WasiHttpView};

/// Calls before anything is measured, so that pages, caches and slots are warm.
const WARM_UP: u32 = 2_000;
/// Calls that are measured, in each of `ROUNDS`.
const CALLS: u32 = 4_000;
/// Rounds, of which the middle one counts.
const ROUNDS: u32 = 5;
/// How long two threads are measured.
const TOGETHER: Duration = Duration::from_secs(2);

/// A store with room for its instance.
struct Room {
    store: Store<State>,
    // After the store: its slot is free only then.
    _permit: Permit,
}

/// A component that is linked, and what its instances get.
pub(crate) struct Template {
    engine: Engine,
    loaded: Loaded,
    pre: ProxyPre<State>,
    grants: Arc<Grants>,
    meter: Arc<Meter>,
}

impl Template {
    /// Maps and links a compiled file.
    pub(crate) fn load<'a>(
        engines: &Engines,
        compiled: &Path,
        imports: impl Iterator<Item = &'a str>,
    ) -> anyhow::Result<Self> {
        let engine = engines.get(Variant::Plain)?.clone();
        let loaded = engine.load(compiled)?;
        let Native::Component(component) = loaded.native() else {
            anyhow::bail!("{} holds a core module", compiled.display());
        };
        let mut linker = Linker::new(engine.wasmtime());
        shoal_capability::link(&mut linker, imports)?;
        let pre = ProxyPre::new(linker.instantiate_pre(component)?)?;
        Ok(Self {
            engine,
            loaded,
            pre,
            grants: GrantsBuilder::default().build()?,
            meter: Arc::default(),
        })
    }

    async fn room(&self) -> Room {
        let permit = self.engine.acquire(self.meter.share(), &self.loaded).await;
        // The defaults of a manifest.
        let limits = Limits {
            memory: 64 << 20,
            cpu_time: Duration::from_secs(1),
        };
        let state = State::new(
            Arc::clone(&self.grants),
            RequestId(1),
            Limiter::new(limits, Arc::clone(&self.meter)),
        );
        Room {
            store: self.engine.store(state),
            _permit: permit,
        }
    }

    async fn instance(&self) -> anyhow::Result<(Room, Proxy)> {
        let mut room = self.room().await;
        let instance = metered(&*self.meter, self.pre.instantiate_async(&mut room.store)).await?;
        Ok((room, instance))
    }

    /// One request and its whole answer.
    pub(crate) async fn call(&self) -> anyhow::Result<usize> {
        let (mut room, instance) = self.instance().await?;
        let store = &mut room.store;
        let head = Arc::new(Mutex::new(None::<http::Response<WasiBody>>));
        let answer = Arc::clone(&head);
        let request = http::Request::get("http://localhost/").body(Empty::<Bytes>::new())?;
        let mut http = store.data_mut().http();
        let request = http.new_incoming_request(Scheme::Http, request)?;
        let out = http.new_response_outparam_from_callback(move |response| {
            *answer.lock().unwrap_or_else(PoisonError::into_inner) = response.ok();
        })?;
        metered(
            &*self.meter,
            instance
                .wasi_http_incoming_handler()
                .call_handle(store, request, out),
        )
        .await?;
        let response = head
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .context("no answer")?;
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| anyhow::anyhow!("{error:?}"))?;
        Ok(body.to_bytes().len())
    }
}

pub(crate) fn run(options: &Options, runtime: &tokio::runtime::Runtime) -> anyhow::Result<()> {
    let corpus = Corpus::open(&options.corpus)?;
    let compiled = runtime.block_on(corpus.compiled(0))?;
    let engines = Engines::new(PoolOptions::default());
    let imports = compiled
        .description
        .imports
        .iter()
        .map(|import| import.name.as_str());
    let template = Template::load(&engines, &compiled.path, imports)?;
    let mut figures = Figures::default();
    series(&mut figures, "store", async || template.room().await)?;
    series(&mut figures, "instantiation", async || template.instance().await)?;
    series(&mut figures, "call", async || template.call().await)?;
    let alone = per_second(&template, 1)?;
    let together = per_second(&template, 2)?;
    figures.set("calls_per_s_1_thread", alone);
    figures.set("calls_per_s_2_threads", together);
    println!("{}", figures.json()?);
    Ok(())
}

/// Times `work`, which makes something and has it dropped, again and again on one thread.
fn series<T>(figures: &mut Figures, name: &str, work: impl AsyncFn() -> T) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut p50, mut p99, mut mean) = (Vec::new(), Vec::new(), Vec::new());
    runtime.block_on(async {
        for _ in 0..WARM_UP {
            drop(work().await);
        }
        for _ in 0..ROUNDS {
            let mut times = Vec::with_capacity(CALLS as usize);
            for _ in 0..CALLS {
                let start = Instant::now();
                drop(work().await);
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
            p50.push(median(&times));
            p99.push(percentile(&times, 99.0));
            mean.push(times.iter().sum::<f64>() / times.len() as f64);
        }
    });
    figures.set(format!("{name}_us_p50"), median(&p50));
    figures.set(format!("{name}_us_p99"), median(&p99));
    figures.set(format!("{name}_us_mean"), median(&mean));
    Ok(())
}

/// Calls per second of `threads` threads at once, which share the process's page tables.
fn per_second(template: &Template, threads: usize) -> anyhow::Result<f64> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let started = Instant::now();
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| -> anyhow::Result<u64> {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()?;
                    let mut calls = 0;
                    while !stop.load(Ordering::Relaxed) {
                        runtime.block_on(template.call())?;
                        calls += 1;
                    }
                    Ok(calls)
                })
            })
            .collect();
        std::thread::sleep(TOGETHER);
        stop.store(true, Ordering::Relaxed);
        let mut calls = 0;
        for worker in workers {
            calls += worker
                .join()
                .map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        }
        Ok(calls as f64 / started.elapsed().as_secs_f64())
    })
}
