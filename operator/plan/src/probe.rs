//! The probes of a component's container, and whether one reaches the component: those of a pod answer on one port, each its own paths.

use k8s_openapi::api::core::v1::{HTTPGetAction, HTTPHeader, Probe, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use shoal_api::probe::answering;
use shoal_api::{Component, WasmService};

use crate::pod::PORT;

/// The manifest's, or whether it listens: it does once its first instance could be made.
pub(crate) fn readiness(component: &Component) -> Probe {
    component.readiness_probe.as_ref().map_or_else(listens, http)
}

fn listens() -> Probe {
    Probe {
        tcp_socket: Some(TCPSocketAction {
            port: IntOrString::Int(PORT),
            host: None,
        }),
        period_seconds: Some(2),
        failure_threshold: Some(2),
        ..Probe::default()
    }
}

/// As the manifest says, on the pod's port.
pub(crate) fn http(probe: &shoal_api::Probe) -> Probe {
    let request = &probe.http_get;
    let headers = request.http_headers.iter().map(|it| HTTPHeader {
        name: it.name.clone(),
        value: it.value.clone(),
    });
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(request.path.clone()),
            port: IntOrString::Int(PORT),
            http_headers: (!request.http_headers.is_empty()).then(|| headers.collect()),
            ..HTTPGetAction::default()
        }),
        initial_delay_seconds: probe.initial_delay_seconds,
        period_seconds: probe.period_seconds,
        timeout_seconds: probe.timeout_seconds,
        success_threshold: probe.success_threshold,
        failure_threshold: probe.failure_threshold,
        ..Probe::default()
    }
}

/// The probes of a component that would reach another one, or none: field and message.
pub(crate) fn misled(service: &WasmService, component: &Component) -> Vec<(String, String)> {
    let probes = [
        ("readinessProbe", &component.readiness_probe),
        ("livenessProbe", &component.liveness_probe),
    ];
    let misled = probes.into_iter().filter_map(|(field, probe)| {
        let path = &probe.as_ref()?.http_get.path;
        let answers = answering(&service.spec.triggers, path).map(|it| it.component.as_str());
        let answers = match answers {
            Some(name) if name == component.name => return None,
            Some(name) => format!("component {name} answers it"),
            None => "no HTTP trigger answers it".to_owned(),
        };
        let message = format!(
            "{path} does not reach the component: {answers}; set a path of one of its own HTTP triggers"
        );
        Some((format!("{field}.httpGet.path"), message))
    });
    misled.collect()
}
