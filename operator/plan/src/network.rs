//! The NetworkPolicy that says once more, to the network, where a service's components may connect to. The daemon and the worker
//! enforce the grants themselves, names included; a NetworkPolicy knows addresses alone.

use std::net::IpAddr;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use shoal_api::{OutboundRule, Protocol, WasmService};

use crate::meta;

const DNS: i32 = 53;

/// Egress as granted; ingress is left to whoever may call the service.
pub(crate) fn of(service: &WasmService) -> NetworkPolicy {
    let components = service.spec.components.iter();
    let rules: Vec<_> = components
        .filter_map(|component| component.capabilities.network.as_ref())
        .flat_map(|network| &network.outbound)
        .collect();
    let named = rules.iter().any(|rule| peer(&rule.host).is_none());
    let mut egress: Vec<_> = rules.into_iter().map(granted).collect();
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
    let ports = protocols.flat_map(|it| rule.ports.iter().map(move |number| port(it, i32::from(*number))));
    NetworkPolicyEgressRule {
        ports: Some(ports.collect()),
        // A name may be any address.
        to: peer(&rule.host).map(|it| vec![it]),
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
