//! What wasmtime's `wasi:http` asks of its embedder: which headers are the host's, how much to buffer, and how to send a request.

use super::Network;
use super::client::{self, Work};
use super::outbound::Outbound;
use crate::{CallContext, Grants, RequestId};
use http::header::HeaderName;
use std::sync::{Arc, LazyLock};
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, Result, WasiBody, WasiHttpHooks,
};

/// Bytes of a body that are copied out of a guest at once, and so the most that the host buffers for each body.
const CHUNK: usize = 64 << 10;

/// The decisions for one instance.
pub(crate) struct Hooks {
    grants: Arc<Grants>,
    pub(crate) request: RequestId,
    pub(crate) context: CallContext,
    /// Made when the guest first uses the network.
    outbound: Option<Arc<Outbound>>,
}

impl Hooks {
    pub(crate) fn new(grants: Arc<Grants>, request: RequestId) -> Self {
        Self {
            grants,
            request,
            context: CallContext::default(),
            outbound: None,
        }
    }

    pub(crate) fn grants(&self) -> &Arc<Grants> {
        &self.grants
    }

    /// The network of this instance; none where none was granted.
    pub(crate) fn outbound(&mut self) -> Option<Arc<Outbound>> {
        if self.outbound.is_none() {
            let network: &Arc<Network> = self.grants.network.as_ref()?;
            self.outbound = Some(Arc::new(Outbound::new(Arc::clone(network), self.request)));
        }
        self.outbound.clone()
    }
}

/// Made once, for it is asked for with every response.
static FORBIDDEN: LazyLock<ForbiddenHeaderFilter> = LazyLock::new(|| Arc::new(forbidden));

fn forbidden(name: &HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name)
}

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        forbidden(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::clone(&FORBIDDEN)
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Work,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Work)>> + Send> {
        let (outbound, context) = (self.outbound(), self.context.clone());
        Box::new(async move {
            // Admission refused the import where nothing was granted.
            let outbound = outbound.ok_or(Error::HttpRequestDenied)?;
            client::send(outbound, request, options, context).await
        })
    }
}
