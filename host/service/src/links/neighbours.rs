//! Requests of one service to another by its name: `http://NAME`, as Kubernetes' DNS has it, answered in this process.

use crate::ServiceId;
use crate::call::respond::LOCAL;
use http_body_util::BodyExt as _;
use shoal_capability::{CallContext, Neighbour, Neighbours};
use shoal_trigger::http::{Body, BodyError, Peer, Request, RequestBody, Routes};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockWriteGuard};
use wasmtime_wasi_http::{Error, WasiBody};

/// Where requests between services of a process come from, for the one that is asked.
static HERE: LazyLock<Peer> = LazyLock::new(|| Peer::new(Ipv4Addr::LOCALHOST.into()));

/// The port of a service without TLS.
const PORT: u16 = 80;

/// The services of a process that answer HTTP.
#[derive(Default)]
pub struct Neighbourhood(RwLock<HashMap<ServiceId, Arc<Routed>>>);

struct Routed(Routes);

impl Neighbourhood {
    /// From now on these routes answer what is asked of a service. Requests under way end where they are.
    pub fn insert(&self, id: ServiceId, routes: Routes) {
        self.write().insert(id, Arc::new(Routed(routes)));
    }

    /// From now on nobody answers what is asked of a service.
    pub fn remove(&self, id: &ServiceId) {
        self.write().remove(id);
    }

    /// These services, as the components of one namespace see them.
    pub fn seen_from(self: &Arc<Self>, namespace: &str) -> Arc<dyn Neighbours> {
        Arc::new(Nearby {
            namespace: namespace.to_owned(),
            all: Arc::clone(self),
        })
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<ServiceId, Arc<Routed>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The services of a process, as the components of one namespace see them.
struct Nearby {
    namespace: String,
    all: Arc<Neighbourhood>,
}

impl Neighbours for Nearby {
    fn find(&self, host: &str, port: u16) -> Option<Arc<dyn Neighbour>> {
        if port != PORT {
            return None;
        }
        let id = service(&host.to_ascii_lowercase(), &self.namespace)?;
        let all = self.all.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(all.get(&id)?) as _)
    }
}

/// The service that a host's name stands for: `NAME` in the namespace of the one who asks, `NAME.NAMESPACE`, and the cluster's longer
/// forms.
fn service(host: &str, namespace: &str) -> Option<ServiceId> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let mut labels = host.split('.');
    let name = labels.next().filter(|name| !name.is_empty())?;
    let rest: Vec<&str> = labels.collect();
    match rest.as_slice() {
        [] => Some(ServiceId::new(namespace, name)),
        [other] | [other, "svc"] | [other, "svc", "cluster", "local"] => Some(ServiceId::new(other, name)),
        _ => None,
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
        let responding = self.0.find(request.uri().path()).map(|target| {
            target.receive(&mut request, &HERE);
            target.handler.handle(request)
        });
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
    fn names_are_those_of_a_clusters_dns_seen_from_the_callers_namespace() {
        let audit = |namespace| Some(ServiceId::new(namespace, "audit"));
        for (host, found) in [
            ("audit", audit("shop")),
            ("audit.", audit("shop")),
            ("audit.default", audit("default")),
            ("audit.other.svc", audit("other")),
            ("audit.shop.svc.cluster.local", audit("shop")),
            ("audit.shop.svc.cluster.local.", audit("shop")),
            ("", None),
            (".", None),
            ("audit.shop.svc.cluster", None),
            ("a.b.c.d", None),
        ] {
            assert_eq!(service(host, "shop"), found, "{host}");
        }
    }

    #[test]
    fn only_who_is_here_is_found_and_at_the_port_of_http_alone() {
        let all = Arc::new(Neighbourhood::default());
        let nearby = |namespace: &str| Nearby {
            namespace: namespace.to_owned(),
            all: Arc::clone(&all),
        };
        let id = ServiceId::new("shop", "audit");
        all.insert(id.clone(), Routes::default());
        assert!(nearby("shop").find("AUDIT", PORT).is_some());
        assert!(nearby("other").find("audit.shop", PORT).is_some());
        assert!(nearby("other").find("audit", PORT).is_none());
        assert!(nearby("shop").find("audit", 8080).is_none());
        all.remove(&id);
        assert!(nearby("shop").find("audit", PORT).is_none());
    }
}
