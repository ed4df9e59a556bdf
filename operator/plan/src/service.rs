//! The Service in front of a service's pods.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use shoal_api::WasmService;

use crate::{meta, pod};

/// The port that clients use.
pub(crate) const PORT: i32 = 80;

pub(crate) fn of(service: &WasmService) -> Service {
    Service {
        metadata: meta::of(service, meta::name(service)),
        spec: Some(ServiceSpec {
            selector: meta::selector(service).match_labels,
            ports: Some(vec![ServicePort {
                name: Some(pod::PORT_NAME.to_owned()),
                port: PORT,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::String(pod::PORT_NAME.to_owned())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}
