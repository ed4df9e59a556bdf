//! Holding the lease: asks for it, renews it, gives it back. What to do about it is decided in `lease`.

use crate::error::{Error, code};
use crate::fence::Fence;
use crate::lease::{Seen, Step, step};
use crate::options::RunOptions;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use std::sync::Arc;
use std::time::Instant;

/// A candidate.
pub(crate) struct Leader {
    leases: Api<Lease>,
    name: String,
    me: String,
    options: RunOptions,
    seen: Seen,
    held: bool,
    fence: Arc<Fence>,
}

impl Leader {
    pub(crate) fn new(client: Client, options: &RunOptions, me: String, fence: Arc<Fence>) -> Self {
        Self {
            leases: Api::namespaced(client, &options.lease_namespace),
            name: options.lease_name.clone(),
            me,
            options: options.clone(),
            seen: Seen::default(),
            held: false,
            fence,
        }
    }

    /// Returns once the lease is ours.
    pub(crate) async fn acquire(&mut self) {
        loop {
            match self.attempt().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!("cannot ask for the lease: {error}"),
            }
            tokio::time::sleep(self.options.retry_period).await;
        }
    }

    /// Renews the lease for as long as that works; returns when we no longer lead.
    pub(crate) async fn hold(&mut self) -> Error {
        loop {
            tokio::time::sleep(self.options.retry_period).await;
            match self.attempt().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => tracing::warn!("cannot renew the lease: {error}"),
            }
            if self.fence.check().is_err() {
                break;
            }
        }
        self.held = false;
        self.fence.close();
        Error::NotLeading
    }

    /// Gives the lease back, so that the next one need not wait for its end.
    pub(crate) async fn release(&mut self) {
        if !std::mem::take(&mut self.held) || self.fence.check().is_err() {
            return;
        }
        self.fence.close();
        let released = async {
            let mut lease = self.leases.get(&self.name).await?;
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() == Some(self.me.as_str()) {
                spec.holder_identity = Some(String::new());
                self.leases
                    .replace(&self.name, &PostParams::default(), &lease)
                    .await?;
            }
            Ok::<_, kube::Error>(())
        };
        if let Err(error) = released.await {
            tracing::warn!("cannot give the lease back: {error}");
        }
    }

    /// Whether the lease is ours after this.
    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        let sent = Instant::now();
        let ours = tokio::time::timeout(self.options.renew_deadline, self.ask()).await;
        let ours = ours.unwrap_or_else(|_| {
            tracing::warn!("the API server did not answer for the lease");
            Ok(false)
        })?;
        if ours {
            self.fence.renewed(sent, self.options.renew_deadline);
            self.held = true;
        }
        Ok(ours)
    }

    async fn ask(&mut self) -> Result<bool, kube::Error> {
        let Some(mut lease) = self.leases.get_opt(&self.name).await? else {
            return self.create().await;
        };
        let now = MicroTime(Timestamp::now());
        let duration = self.options.lease_duration;
        match step(&lease, &self.me, duration, &mut self.seen, Instant::now(), now) {
            Step::Wait => Ok(false),
            Step::Take(spec) => {
                // With the version that was read: of two who see it free, one gets it.
                lease.spec = Some(spec);
                let written = self
                    .leases
                    .replace(&self.name, &PostParams::default(), &lease)
                    .await;
                unless_taken(written.map(drop))
            }
        }
    }

    async fn create(&mut self) -> Result<bool, kube::Error> {
        let none = Lease::default();
        let now = MicroTime(Timestamp::now());
        let duration = self.options.lease_duration;
        let step = step(&none, &self.me, duration, &mut self.seen, Instant::now(), now);
        let spec: Option<LeaseSpec> = match step {
            Step::Take(spec) => Some(spec),
            Step::Wait => None,
        };
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec,
        };
        let written = self.leases.create(&PostParams::default(), &lease).await;
        unless_taken(written.map(drop))
    }
}

fn unless_taken(written: Result<(), kube::Error>) -> Result<bool, kube::Error> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if code(&error) == Some(409) => Ok(false),
        Err(error) => Err(error),
    }
}
