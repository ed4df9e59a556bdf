//! The NetworkPolicy that says once more, to the network, where a service's components may connect to. The daemon and the worker
//! enforce the grants themselves, names included; a NetworkPolicy knows addresses alone.

use std::net::IpAddr;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use shoal_api::{OutboundRule, Ports, Protocol, WasmService, redis};

use crate::{Observed, Options, destination, meta};

/// The port of DNS servers, and that of the pods of OpenShift's, behind a Service with the usual one.
const DNS: [i32; 2] = [53, 5353];

/// Egress as granted, and to the Redis servers that are named; ingress is left to whoever may call the service.
pub(crate) fn of(service: &WasmService, observed: &Observed, options: &Options) -> NetworkPolicy {
    let rules = rules(service);
    // What a Secret says is not known here.
    let unknown = servers(service).any(|server| server.url_from.is_some());
    let named = unknown || rules.iter().any(|rule| peer(&rule.host).is_none());
    let mut egress = Vec::new();
    for rule in &rules {
        // For networks that look at the Service's address, and for names outside of the cluster.
        egress.push(granted(rule));
        if let Some(to) = destination::named(&rule.host, service, options) {
            egress.extend(destination::egress(rule, &to, observed.destinations.get(&to)));
        }
    }
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
            ports: Some(
                DNS.iter()
                    .flat_map(|it| [port("UDP", *it), port("TCP", *it)])
                    .collect(),
            ),
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

/// What the components are granted, and what their Redis servers need, each once.
pub(crate) fn rules(service: &WasmService) -> Vec<OutboundRule> {
    let components = service.spec.components.iter();
    let granted = components
        .filter_map(|component| component.capabilities.network.as_ref())
        .flat_map(|network| network.outbound.clone());
    let said = servers(service).filter_map(|server| server.url);
    let addresses = said.filter_map(|url| redis::Address::parse(url).ok());
    let mut rules = Vec::new();
    for rule in granted.chain(addresses.flat_map(|address| address.outbound())) {
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    rules
}

fn servers(service: &WasmService) -> impl Iterator<Item = redis::Server<'_>> {
    let spec = &service.spec;
    spec.components.iter().flat_map(|it| redis::servers(it, spec))
}

fn granted(rule: &OutboundRule) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        ports: Some(ports(rule)),
        // A name may be any address.
        to: peer(&rule.host).map(|it| vec![it]),
    }
}

/// The ports that a rule grants, of each of its protocols.
pub(crate) fn ports(rule: &OutboundRule) -> Vec<NetworkPolicyPort> {
    let protocols = rule.protocols.iter().map(|it| protocol(*it));
    protocols
        .flat_map(|it| rule.ports.iter().map(move |ports| range(it, *ports)))
        .collect()
}

fn range(protocol: &str, ports: Ports) -> NetworkPolicyPort {
    NetworkPolicyPort {
        end_port: (ports.last > ports.first).then_some(i32::from(ports.last)),
        ..port(protocol, i32::from(ports.first))
    }
}

/// A protocol as Kubernetes names it.
pub(crate) fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
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
