//! Components into a cluster's registry, as images that containerd pulls. The format itself is made in `shoal-artifact`.

use std::path::Path;

use anyhow::Context;
use shoal_artifact::{CredentialSource, PlainHttp, PushFormat, PushOptions, Reference, Transport};

use crate::Cluster;

impl Cluster {
    /// Pushes the WebAssembly in a file as `name`, such as `hello:1`; returns the reference for a pod's `image`.
    ///
    /// # Errors
    ///
    /// Says what the registry said.
    pub fn push_component(&self, file: &Path, name: &str) -> anyhow::Result<String> {
        let reference = format!("{}/{name}", self.registry);
        let options = PushOptions {
            format: PushFormat::WasmImage,
            transport: Transport {
                plain_http: PlainHttp::Hosts(vec![self.registry.clone()]),
                credentials: CredentialSource::Anonymous,
                ..Transport::default()
            },
            ..PushOptions::default()
        };
        let parsed: Reference = reference
            .parse()
            .with_context(|| format!("{reference} is no reference"))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // Some tests have a runtime already, in which another can't be entered.
        std::thread::scope(|scope| {
            let (parsed, options) = (&parsed, &options);
            // It ends there too: in a runtime another one can't be dropped either.
            let push =
                scope.spawn(move || runtime.block_on(shoal_artifact::push(file, parsed, options, &())));
            match push.join() {
                Ok(pushed) => pushed.with_context(|| format!("{} can't be pushed", file.display())),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })?;
        Ok(reference)
    }
}
