//! What stands for the fields of a pod where there is none: variables of `fieldRef` and `resourceFieldRef` on a laptop.

use k8s_openapi::api::core::v1::ResourceFieldSelector;

use crate::resources::{self, CPU};
use crate::{Component, WasmService, labels};

/// Fields that have a value, but for labels and annotations.
pub(crate) const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Figures that have one.
pub(crate) const RESOURCES: [&str; 4] = ["limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];

const LABELS: &str = "metadata.labels";
const ANNOTATIONS: &str = "metadata.annotations";

/// Whether a field of a pod has a value here.
pub(crate) fn is_field(path: &str) -> bool {
    FIELDS.contains(&path) || key(path, LABELS).is_some() || key(path, ANNOTATIONS).is_some()
}

/// The value of a field. A label or annotation that is not there is empty, as kubelet has it.
pub fn field(service: &WasmService, path: &str) -> Option<String> {
    let metadata = &service.metadata;
    let name = metadata.name.clone().unwrap_or_default();
    let own = &service.spec.template.metadata;
    if let Some(key) = key(path, LABELS) {
        let found = own.labels.get(key).cloned();
        return found.or_else(|| {
            Some(if key == labels::APP_NAME {
                name
            } else {
                String::new()
            })
        });
    }
    if let Some(key) = key(path, ANNOTATIONS) {
        return Some(own.annotations.get(key).cloned().unwrap_or_default());
    }
    Some(match path {
        "metadata.name" => name,
        "metadata.namespace" => metadata.namespace.clone().unwrap_or_else(|| "default".to_owned()),
        "metadata.uid" => "00000000-0000-0000-0000-000000000000".to_owned(),
        "spec.nodeName" => "localhost".to_owned(),
        "spec.serviceAccountName" => {
            let account = service.spec.service_account_name.clone();
            account.unwrap_or_else(|| "default".to_owned())
        }
        "status.hostIP" | "status.hostIPs" | "status.podIP" | "status.podIPs" => "127.0.0.1".to_owned(),
        _ => return None,
    })
}

/// The value of a figure, in units of the divisor and rounded up: the one that the component's container would have.
pub fn figure(component: &Component, selector: &ResourceFieldSelector) -> Option<String> {
    let (list, name) = selector.resource.split_once('.')?;
    let figures = resources::of(component);
    let list = match list {
        "limits" => figures.limits?,
        "requests" => figures.requests?,
        _ => return None,
    };
    let amount = resources::parsed(name, &list.get(name)?.0)?;
    let divisor = selector
        .divisor
        .as_ref()
        .and_then(|it| resources::parsed(name, &it.0));
    let one = if name == CPU { 1000 } else { 1 };
    let divisor = divisor.filter(|it| *it > 0).unwrap_or(one);
    Some(amount.div_ceil(divisor).to_string())
}

/// The key of `metadata.labels['KEY']`.
fn key<'a>(path: &'a str, of: &str) -> Option<&'a str> {
    path.strip_prefix(of)?.strip_prefix("['")?.strip_suffix("']")
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

    fn service() -> WasmService {
        let text = "
apiVersion: shoal.dev/v1alpha1
kind: WasmService
metadata: {name: shop}
spec:
  components: [{name: web, image: r.example/web:1, resources: {limits: {cpu: 1500m}}}]
  template: {metadata: {labels: {team: a}, annotations: {note: b}}}
";
        let document = crate::manifest::parse(text, "test").unwrap().remove(0);
        let crate::manifest::Document::Service(service) = document else {
            unreachable!("one service");
        };
        *service
    }

    #[test]
    fn each_field_that_is_accepted_has_a_value() {
        let service = service();
        for path in FIELDS {
            assert!(
                is_field(path) && field(&service, path).is_some_and(|it| !it.is_empty()),
                "{path}"
            );
        }
        for (path, value) in [
            ("metadata.name", "shop"),
            ("metadata.namespace", "default"),
            ("metadata.labels['team']", "a"),
            ("metadata.labels['app.kubernetes.io/name']", "shop"),
            ("metadata.labels['other']", ""),
            ("metadata.annotations['note']", "b"),
        ] {
            assert!(is_field(path), "{path}");
            assert_eq!(field(&service, path).as_deref(), Some(value), "{path}");
        }
        for path in ["metadata.labels", "spec.hostname", ""] {
            assert!(!is_field(path) && field(&service, path).is_none(), "{path}");
        }
    }

    #[test]
    fn each_figure_that_is_accepted_has_a_value() {
        let component = &service().spec.components[0];
        let figure = |resource: &str, divisor: Option<&str>| {
            let selector = ResourceFieldSelector {
                resource: resource.to_owned(),
                divisor: divisor.map(|it| Quantity(it.to_owned())),
                container_name: None,
            };
            figure(component, &selector)
        };
        for (resource, divisor, value) in [
            ("limits.cpu", None, "2"),
            ("limits.cpu", Some("1m"), "1500"),
            ("requests.cpu", Some("0"), "1"),
            ("limits.memory", None, "67108864"),
            ("limits.memory", Some("1Mi"), "64"),
            ("requests.memory", Some("1Gi"), "1"),
        ] {
            assert_eq!(
                figure(resource, divisor).as_deref(),
                Some(value),
                "{resource} {divisor:?}"
            );
        }
        assert_eq!(figure("limits.ephemeral-storage", None), None);
    }
}
