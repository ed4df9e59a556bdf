//! Which Services of the cluster a WasmService may call, and which rules of a NetworkPolicy let it. Networks that enforce policies look
//! at the pod's address and port, after kube-proxy has replaced those of the Service.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use shoal_api::{OutboundRule, Protocol, WasmService};

use crate::{Options, network};

/// The label that each namespace has with its own name (Kubernetes 1.22).
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// A Service, by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What is known of a Service that a grant may name.
#[derive(Clone, Debug, PartialEq)]
pub enum Destination {
    /// There is none: the granted name is one of the world outside, or the Service comes later.
    Missing,
    /// The operator doesn't watch its namespace.
    Unseen,
    /// It is there.
    Service(Box<Service>),
}

/// The Services that the grants and the Redis servers of `service` may name. A name of one or two labels can be a Service or a host
/// outside of the cluster: which of them it is shows when the Service is looked for.
pub fn destinations(service: &WasmService, options: &Options) -> BTreeSet<ServiceName> {
    let rules = network::rules(service);
    rules
        .iter()
        .filter_map(|rule| named(&rule.host, service, options))
        .collect()
}

/// The Service that a host name means in a pod of `service` (DNS for Services and Pods, Kubernetes' documentation).
pub(crate) fn named(host: &str, service: &WasmService, options: &Options) -> Option<ServiceName> {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let domain = format!(".{}", options.cluster_domain);
    let host = host.strip_suffix(&domain).unwrap_or(&host);
    let own = service.metadata.namespace.as_deref().unwrap_or("default");
    let mut labels = host.split('.');
    let name = labels.next()?;
    let namespace = labels.next().unwrap_or(own);
    let is_service = matches!((labels.next(), labels.next()), (None | Some("svc"), None));
    let is_label = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    let number = name.bytes().all(|it| it.is_ascii_digit());
    (is_service && is_label(name) && is_label(namespace) && !number).then(|| ServiceName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}

/// The rules that let a grant through to what is behind the Service that it names; none where it names no Service.
pub(crate) fn egress(
    rule: &OutboundRule,
    to: &ServiceName,
    destination: Option<&Destination>,
) -> Vec<NetworkPolicyEgressRule> {
    match destination {
        None | Some(Destination::Missing) => Vec::new(),
        // What its ports are is not known here; the node enforces the granted one.
        Some(Destination::Unseen) => vec![NetworkPolicyEgressRule {
            ports: Some(rule.protocols.iter().map(|it| any_port(*it)).collect()),
            to: Some(vec![pods(to, None)]),
        }],
        Some(Destination::Service(service)) => behind(rule, to, service),
    }
}

fn behind(rule: &OutboundRule, to: &ServiceName, service: &Service) -> Vec<NetworkPolicyEgressRule> {
    let spec = service.spec.clone().unwrap_or_default();
    // Another name for something outside.
    if spec.type_.as_deref() == Some("ExternalName") {
        return Vec::new();
    }
    let headless = spec.cluster_ip.as_deref() == Some("None");
    let ports = if headless {
        // Its name resolves to the pods themselves.
        network::ports(rule)
    } else {
        let ports = spec.ports.unwrap_or_default();
        ports.iter().filter_map(|port| target(rule, port)).collect()
    };
    if ports.is_empty() {
        return Vec::new();
    }
    let selector = spec.selector.filter(|it| !it.is_empty());
    vec![NetworkPolicyEgressRule {
        ports: Some(ports),
        // Somebody else writes the endpoints of a Service without a selector: they may be anywhere.
        to: selector.map(|it| vec![pods(to, Some(it))]),
    }]
}

/// The port of the pods behind a Service's port, where the rule grants that one.
fn target(rule: &OutboundRule, port: &ServicePort) -> Option<NetworkPolicyPort> {
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    let granted = rule.protocols.iter().any(|it| network::protocol(*it) == protocol);
    let number = u16::try_from(port.port).ok()?;
    let open = rule.ports.iter().any(|ports| ports.contains(number));
    (granted && open).then(|| NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(port.target_port.clone().unwrap_or(IntOrString::Int(port.port))),
        end_port: None,
    })
}

fn any_port(protocol: Protocol) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(network::protocol(protocol).to_owned()),
        ..NetworkPolicyPort::default()
    }
}

/// The pods of a namespace that a Service selects; all of them, where its selector isn't known.
fn pods(of: &ServiceName, selector: Option<BTreeMap<String, String>>) -> NetworkPolicyPeer {
    let namespace = [(NAMESPACE_NAME.to_owned(), of.namespace.clone())];
    NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector {
            match_labels: Some(namespace.into()),
            ..LabelSelector::default()
        }),
        pod_selector: Some(LabelSelector {
            match_labels: selector,
            ..LabelSelector::default()
        }),
        ip_block: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{GREETER, service};
    use serde_json::{Value, json};

    fn name(namespace: &str, name: &str) -> ServiceName {
        ServiceName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_host_that_a_pod_would_resolve_to_a_service_names_it() {
        let (service, options) = (service(GREETER), Options::default());
        let table = [
            ("redis", Some(name("shop", "redis"))),
            ("Redis", Some(name("shop", "redis"))),
            ("redis.data", Some(name("data", "redis"))),
            ("redis.data.svc", Some(name("data", "redis"))),
            ("redis.data.svc.cluster.local", Some(name("data", "redis"))),
            ("redis.data.svc.cluster.local.", Some(name("data", "redis"))),
            // Perhaps a Service of the namespace com: it shows when it is looked for.
            ("example.com", Some(name("com", "example"))),
            ("api.example.com", None),
            ("redis.data.svc.example", None),
            ("*.example", None),
            ("10.0.0.0/8", None),
            ("10.1", None),
            ("fd00::1", None),
            ("", None),
        ];
        for (host, expected) in table {
            assert_eq!(named(host, &service, &options), expected, "{host:?}");
        }
    }

    fn egress_to(rule: Value, destination: &Destination) -> Value {
        let rule: OutboundRule = serde_json::from_value(rule).unwrap();
        json!(egress(&rule, &name("data", "redis"), Some(destination)))
    }

    fn of(spec: Value) -> Destination {
        Destination::Service(Box::new(serde_json::from_value(json!({"spec": spec})).unwrap()))
    }

    #[test]
    fn a_grant_lets_through_to_the_pods_port() {
        let redis = of(json!({
            "clusterIP": "10.96.0.7", "selector": {"app": "redis"},
            "ports": [
                {"port": 6379, "targetPort": 7000}, {"port": 80, "targetPort": "http"}, {"port": 81},
                {"port": 53, "protocol": "UDP", "targetPort": 5353},
            ],
        }));
        let peer = json!([{
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "data"}},
            "podSelector": {"matchLabels": {"app": "redis"}},
        }]);
        let tcp = |port: Value| json!({"protocol": "TCP", "port": port});
        assert_eq!(
            egress_to(
                json!({"host": "redis.data", "ports": [6379, 80, 81, 53, 9]}),
                &redis
            ),
            json!([{"ports": [tcp(json!(7000)), tcp(json!("http")), tcp(json!(81))], "to": peer}])
        );
        assert_eq!(
            egress_to(
                json!({"host": "redis.data", "ports": [53], "protocols": ["UDP"]}),
                &redis
            ),
            json!([{"ports": [{"protocol": "UDP", "port": 5353}], "to": peer}])
        );
        assert_eq!(
            egress_to(json!({"host": "redis.data", "ports": [9]}), &redis),
            json!([])
        );
    }

    #[test]
    fn services_without_an_address_a_selector_or_pods() {
        let rule = json!({"host": "redis.data", "ports": [6379]});
        let selector = json!({"app": "redis"});
        let ports = json!([{"port": 6379, "targetPort": 7000}]);
        let headless = of(json!({"clusterIP": "None", "selector": selector, "ports": ports}));
        assert_eq!(egress_to(rule.clone(), &headless)[0]["ports"][0]["port"], 6379);
        let manual = of(json!({"clusterIP": "10.96.0.7", "ports": ports}));
        assert_eq!(
            egress_to(rule.clone(), &manual),
            json!([{"ports": [{"protocol": "TCP", "port": 7000}]}])
        );
        let external = of(json!({"type": "ExternalName", "externalName": "db.example.com"}));
        assert_eq!(egress_to(rule.clone(), &external), json!([]));
        assert_eq!(egress_to(rule.clone(), &Destination::Missing), json!([]));
        let unseen = egress_to(rule, &Destination::Unseen);
        assert_eq!(unseen[0]["ports"], json!([{"protocol": "TCP"}]));
        assert_eq!(unseen[0]["to"][0]["podSelector"], json!({}));
    }

    #[test]
    fn a_policy_allows_the_service_and_what_is_behind_it() {
        let text = GREETER.replace(
            "greeter:1'}",
            "greeter:1', capabilities: {network: {outbound: [{host: redis.data, ports: [6379]}]}}}",
        );
        let service = service(&text);
        let mut observed = crate::fixtures::resolved(&service);
        let spec = json!({"clusterIP": "10.96.0.7", "selector": {"app": "redis"}, "ports": [{"port": 6379, "targetPort": 7000}]});
        let known = destinations(&service, &Options::default()).into_iter();
        observed.destinations = known.map(|name| (name, of(spec.clone()))).collect();
        let plan = crate::plan(&service, &observed, &Options::default());
        let egress = &crate::fixtures::objects(&plan)[&crate::Kind::NetworkPolicy]["spec"]["egress"];
        let ports: Vec<_> = egress
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["ports"][0]["port"])
            .collect();
        assert_eq!(ports, [&json!(6379), &json!(7000), &json!(53)]);
        assert_eq!(egress[0]["to"], Value::Null);
        assert_eq!(egress[1]["to"][0]["podSelector"]["matchLabels"]["app"], "redis");
    }
}
