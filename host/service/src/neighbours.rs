//! Requests of one service to another by its name: `http://NAME`, as Kubernetes' DNS has it, answered in this process.

use crate::respond::LOCAL;
use arc_swap::ArcSwap;
use http_body_util::BodyExt as _;
use shoal_capability::{CallContext, Neighbour, Neighbours};
use shoal_trigger::http::{Body, BodyError, Request, RequestBody, Routes};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use wasmtime_wasi_http::{Error, WasiBody};

/// The namespace of a host that has no other.
const NAMESPACE: &str = "default";

/// The port of a service without TLS.
const PORT: u16 = 80;

/// The services of a host that answer HTTP, by name.
#[derive(Default)]
pub(crate) struct Neighbourhood(ArcSwap<BTreeMap<String, Arc<Routed>>>);

struct Routed(Routes);

impl Neighbourhood {
    /// From now on these answer. Requests under way end where they are.
    pub(crate) fn replace(&self, services: impl Iterator<Item = (String, Routes)>) {
        let services = services.map(|(name, routes)| (name, Arc::new(Routed(routes))));
        self.0.store(Arc::new(services.collect()));
    }
}

/// The service that a host's name stands for: `NAME`, `NAME.NAMESPACE`, and the cluster's longer forms.
fn service(host: &str) -> Option<&str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let mut labels = host.split('.');
    let name = labels.next().filter(|name| !name.is_empty())?;
    let rest: Vec<&str> = labels.collect();
    match rest.as_slice() {
        [] | [NAMESPACE] | [NAMESPACE, "svc"] | [NAMESPACE, "svc", "cluster", "local"] => Some(name),
        _ => None,
    }
}

impl Neighbours for Neighbourhood {
    fn find(&self, host: &str, port: u16) -> Option<Arc<dyn Neighbour>> {
        let host = host.to_ascii_lowercase();
        let found = self.0.load().get(service(&host)?).cloned()?;
        (port == PORT).then_some(found as Arc<dyn Neighbour>)
    }
}

impl Neighbour for Routed {
    fn answer(
        &self,
        request: http::Request<WasiBody>,
        context: CallContext,
    ) -> Pin<Box<dyn Future<Output = http::Response<WasiBody>> + Send>> {
        let mut request: Request = request.map(|body| {
            let body = body.map_err(|error| BodyError::from(format!("{error:?}")));
            RequestBody::Local(Body::new(body))
        });
        request.extensions_mut().insert(CallContext {
            depth: context.depth + 1,
            ..context
        });
        let responding = self
            .0
            .find(request.uri().path())
            .map(|handler| handler.handle(request));
        Box::pin(async move {
            let response = match responding {
                Some(responding) => responding.await,
                None => {
                    let mut response = http::Response::new(Body::default());
                    *response.status_mut() = http::StatusCode::NOT_FOUND;
                    response
                }
            };
            response.map(|body| {
                body.map_err(|error| {
                    tracing::debug!("{LOCAL}: {error}");
                    Error::HttpResponseIncomplete
                })
                .boxed_unsync()
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_a_clusters_dns() {
        for host in [
            "audit",
            "audit.default",
            "audit.default.svc",
            "audit.default.svc.cluster.local",
            "audit.default.svc.cluster.local.",
        ] {
            assert_eq!(service(host), Some("audit"), "{host}");
        }
        for host in [
            "",
            ".",
            "audit.other",
            "audit.svc",
            "audit.default.svc.cluster",
            "a.b.c.d",
        ] {
            assert_eq!(service(host), None, "{host}");
        }
    }
}
