//! What a manifest may say and its author may not expect.

use crate::problem::{Path, Problem};
use crate::{Component, Store, WasmService};

/// The stores in memory that several pods would each have for themselves, where `replicas` of them serve. Each run of a schedule is a pod
/// of its own anyway.
pub fn divided_stores(service: &WasmService, replicas: u32) -> Vec<Problem> {
    let spec = &service.spec;
    let serves = |component: &&Component| {
        let mut calls = spec.triggers.iter().filter(|it| it.component == component.name);
        calls.clone().any(|it| it.schedule.is_none()) || calls.next().is_none()
    };
    let divided = |store: &Store| {
        let mut components = spec.components.iter().filter(serves);
        store.memory.is_some() && components.any(|it| it.capabilities.has_store(&store.name))
    };
    if replicas < 2 || spec.triggers.iter().all(|it| it.schedule.is_some()) {
        return Vec::new();
    }
    let stores = spec.stores.iter().enumerate().filter(|(_, it)| divided(it));
    let problem = |(index, store): (usize, &Store)| {
        let field = Path::default().field("spec").field("stores").index(index);
        let message = format!(
            "store {} is in memory, and each of {replicas} replicas has contents of its own: requests get different answers",
            store.name
        );
        Problem::new(&field.field("memory"), message)
            .hint("keep it in redis, or set minReplicas and maxReplicas to 1")
    };
    stores.map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Document, parse};

    fn divided(triggers: &str, replicas: u32) -> Vec<String> {
        let text = format!(
            "
apiVersion: shoal.dev/v1alpha1
kind: WasmService
metadata: {{name: shop}}
spec:
  components:
  - {{name: web, image: r.example/web:1, capabilities: {{keyValue: [{{name: default, store: carts}}]}}}}
  - {{name: report, image: r.example/report:1, capabilities: {{keyValue: [{{name: default, store: sums}}]}}}}
  stores: [{{name: unused, memory: {{}}}}, {{name: carts, memory: {{}}}}, {{name: sums, memory: {{}}}}]
  triggers: [{triggers}]
"
        );
        let Document::Service(service) = parse(&text, "test").unwrap().remove(0) else {
            unreachable!("one service");
        };
        let found = divided_stores(&service, replicas);
        found.into_iter().map(|it| it.field).collect()
    }

    #[test]
    fn stores_are_divided_where_several_pods_serve() {
        let http = "{name: web, component: web, http: {}}";
        let nightly = "{name: nightly, component: report, schedule: {cron: '@daily'}}";
        assert!(divided(http, 1).is_empty());
        assert!(divided(nightly, 3).is_empty());
        let both = [http, nightly].join(", ");
        assert_eq!(divided(&both, 2), ["spec.stores[1].memory"]);
        // Without a trigger of its own, another may be linked to it.
        assert_eq!(
            divided(http, 2),
            ["spec.stores[1].memory", "spec.stores[2].memory"]
        );
    }
}
