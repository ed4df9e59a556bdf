//! Which of a service's components are made ready by themselves. The others are in the components that link to them: composed into one,
//! and compiled as one.

use shoal_api::WasmServiceSpec;

/// Whether the component at `index` is made ready by itself: a trigger calls it, another service may (`linkable`), or no other component
/// of the service has it in itself.
pub(crate) fn is_root(spec: &WasmServiceSpec, index: usize, linkable: bool) -> bool {
    let Some(component) = spec.components.get(index) else {
        return false;
    };
    let name = component.name.as_str();
    let called = spec.triggers.iter().any(|trigger| trigger.component == name);
    let mut links = spec.components.iter().flat_map(|it| &it.links);
    linkable || called || !links.any(|link| link.component.as_deref() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(yaml: serde_json::Value) -> WasmServiceSpec {
        serde_json::from_value(yaml).expect("a spec")
    }

    #[test]
    fn what_others_have_in_themselves_is_not_made_ready_twice() {
        let spec = spec(serde_json::json!({
            "components": [
                {"name": "web", "image": "w", "links": [{"import": "a:b/c", "component": "lib"}]},
                {"name": "lib", "image": "l", "links": [{"import": "a:b/d", "service": "other"}]},
                {"name": "alone", "image": "a"},
                {"name": "both", "image": "b"},
            ],
            "triggers": [{"name": "t", "component": "web", "http": {"path": "/"}}],
        }));
        let roots = |linkable| -> Vec<usize> { (0..5).filter(|at| is_root(&spec, *at, linkable)).collect() };
        assert_eq!(roots(false), [0, 2, 3]);
        assert_eq!(roots(true), [0, 1, 2, 3]);
    }
}
