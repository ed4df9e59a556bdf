//! The NetworkPolicy that says once more, to the network, where a service's components may connect to. The daemon and the worker
//! enforce the grants themselves, names included; a NetworkPolicy knows addresses alone.

use std::net::IpAddr;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use shoal_api::{OutboundRule, Ports, Protocol, WasmService, redis};

use crate::meta;

const DNS: i32 = 53;

/// Egress as granted, and to the Redis servers that are named; ingress is left to whoever may call the service.
pub(crate) fn of(service: &WasmService) -> NetworkPolicy {
    let spec = &service.spec;
    let components = spec.components.iter();
    let mut rules: Vec<_> = components
        .filter_map(|component| component.capabilities.network.as_ref())
        .flat_map(|network| network.outbound.clone())
        .collect();
    let servers: Vec<_> = spec
        .components
        .iter()
        .flat_map(|it| redis::servers(it, spec))
        .collect();
    let said = servers.iter().filter_map(|server| server.url);
    let addresses = said.filter_map(|url| redis::Address::parse(url).ok());
    rules.extend(addresses.flat_map(|address| address.outbound()));
    let mut seen = Vec::new();
    rules.retain(|rule| {
        let new = !seen.contains(rule);
        seen.extend(new.then(|| rule.clone()));
        new
    });
    // What a Secret says is not known here.
    let unknown = servers.iter().any(|server| server.url_from.is_some());
    let named = unknown || rules.iter().any(|rule| peer(&rule.host).is_none());
    let mut egress: Vec<_> = rules.iter().map(granted).collect();
    if unknown {
        egress.push(NetworkPolicyEgressRule {
            ports: Some(vec![NetworkPolicyPort {
                protocol: Some("TCP".to_owned()),
                ..NetworkPolicyPort::default()
            }]),
            to: None,
        });
    }
    if named {
        egress.push(NetworkPolicyEgressRule {
            ports: Some(vec![port("UDP", DNS), port("TCP", DNS)]),
            to: None,
        });
    }
    NetworkPolicy {
        metadata: meta::of(service, meta::name(service)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(meta::all_pods(service)),
            policy_types: Some(vec!["Egress".to_owned()]),
            egress: Some(egress),
            ingress: None,
        }),
    }
}

fn granted(rule: &OutboundRule) -> NetworkPolicyEgressRule {
    let protocol = |protocol: &Protocol| match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
    };
    let protocols = rule.protocols.iter().map(protocol);
    let ports = protocols.flat_map(|it| rule.ports.iter().map(move |ports| range(it, *ports)));
    NetworkPolicyEgressRule {
        ports: Some(ports.collect()),
        // A name may be any address.
        to: peer(&rule.host).map(|it| vec![it]),
    }
}

fn range(protocol: &str, ports: Ports) -> NetworkPolicyPort {
    NetworkPolicyPort {
        end_port: (ports.last > ports.first).then_some(i32::from(ports.last)),
        ..port(protocol, i32::from(ports.first))
    }
}

fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(number)),
        end_port: None,
    }
}

/// The range that a host is, unless it is a name.
fn peer(host: &str) -> Option<NetworkPolicyPeer> {
    let cidr = match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => format!("{host}/32"),
        Ok(IpAddr::V6(_)) => format!("{host}/128"),
        Err(_) if host.contains('/') => host.to_owned(),
        Err(_) => return None,
    };
    Some(NetworkPolicyPeer {
        ip_block: Some(IPBlock { cidr, except: None }),
        ..NetworkPolicyPeer::default()
    })
}
