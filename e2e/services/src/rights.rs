//! Rights granted, compared with requests made: rules of RBAC on one side, the API server's audit log on the other. Functions of data.

use serde_json::Value;
use std::collections::BTreeSet;

/// A verb on a resource, granted to a service account or asked for by one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// `namespace:name` of the service account.
    pub account: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: String,
    /// The API's group; empty for the first one.
    pub group: String,
    /// The resource, with its subresource.
    pub resource: String,
}

/// Each right that the roles among `objects` grant to service accounts of the release.
pub fn granted(objects: &[Value]) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let bindings = objects
        .iter()
        .filter(|it| it["kind"].as_str().is_some_and(|kind| kind.ends_with("Binding")));
    for binding in bindings {
        let role = objects.iter().find(|role| {
            role["kind"] == binding["roleRef"]["kind"]
                && role["metadata"]["name"] == binding["roleRef"]["name"]
                && (role["kind"] == "ClusterRole"
                    || role["metadata"]["namespace"] == binding["metadata"]["namespace"])
        });
        let role = role.unwrap_or_else(|| panic!("a role for {}", binding["metadata"]));
        for subject in list(&binding["subjects"]) {
            let account = format!("{}:{}", text(&subject["namespace"]), text(&subject["name"]));
            for rule in list(&role["rules"]) {
                for (group, resource, verb) in product(rule) {
                    rights.insert(Right {
                        account: account.clone(),
                        verb,
                        group,
                        resource,
                    });
                }
            }
        }
    }
    rights
}

fn product(rule: &Value) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for group in list(&rule["apiGroups"]) {
        for resource in list(&rule["resources"]) {
            for verb in list(&rule["verbs"]) {
                all.push((text(group), text(resource), text(verb)));
            }
        }
    }
    all
}

/// What service accounts of a namespace have asked for.
#[derive(Debug, Default)]
pub struct Asked {
    /// What they were given.
    pub allowed: BTreeSet<Right>,
    /// What they were denied.
    pub denied: BTreeSet<Right>,
}

/// Reads an audit log (a JSON object on each line).
pub fn asked(log: &str, namespace: &str) -> Asked {
    let mut asked = Asked::default();
    let prefix = format!("system:serviceaccount:{namespace}:");
    for line in log.lines() {
        // The last one may be half written.
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let Some(name) = event["user"]["username"]
            .as_str()
            .and_then(|user| user.strip_prefix(&prefix))
        else {
            continue;
        };
        let object = &event["objectRef"];
        if object["resource"].is_null() {
            continue;
        }
        let mut resource = text(&object["resource"]);
        if let Some(below) = object["subresource"].as_str() {
            resource = format!("{resource}/{below}");
        }
        let right = Right {
            account: format!("{namespace}:{name}"),
            verb: text(&event["verb"]),
            group: text(&object["apiGroup"]),
            resource,
        };
        // Admission refuses by 403 as well, what goes into a namespace that is going.
        if event["annotations"]["authorization.k8s.io/decision"] == "forbid" {
            asked.denied.insert(right);
            continue;
        }
        // An apply that makes the object needs the right to create it, too; the log has the one request.
        if right.verb == "patch" && event["responseStatus"]["code"] == 201 {
            asked.allowed.insert(Right {
                verb: "create".to_owned(),
                ..right.clone()
            });
        }
        asked.allowed.insert(right);
    }
    asked
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn right(verb: &str, group: &str, resource: &str) -> Right {
        Right {
            account: "here:it".to_owned(),
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
        }
    }

    #[test]
    fn a_rule_is_each_verb_on_each_resource_for_whom_it_is_bound_to() {
        let objects = [
            json!({"kind": "Role", "metadata": {"name": "r", "namespace": "there"}, "rules": [
                {"apiGroups": ["apps"], "resources": ["deployments", "deployments/scale"], "verbs": ["get", "patch"]},
            ]}),
            json!({"kind": "Role", "metadata": {"name": "r", "namespace": "elsewhere"}, "rules": []}),
            json!({"kind": "RoleBinding", "metadata": {"name": "b", "namespace": "there"},
                "roleRef": {"kind": "Role", "name": "r"},
                "subjects": [{"kind": "ServiceAccount", "namespace": "here", "name": "it"}]}),
        ];
        let rights = granted(&objects);
        assert_eq!(rights.len(), 4);
        assert!(
            rights.contains(&right("patch", "apps", "deployments/scale")),
            "{rights:?}"
        );
    }

    #[test]
    fn an_apply_that_made_something_has_created_and_a_refusal_is_kept_apart() {
        let event = |verb: &str, code: u16| {
            json!({
                "verb": verb, "user": {"username": "system:serviceaccount:here:it"},
                "objectRef": {"resource": "pods", "subresource": "status"}, "responseStatus": {"code": code},
                "annotations": {"authorization.k8s.io/decision": if verb == "get" { "forbid" } else { "allow" }},
            })
            .to_string()
        };
        let other = event("get", 200).replace("here:it", "there:it");
        let log = [
            event("patch", 201),
            event("get", 403),
            other,
            "{\"verb\":".to_owned(),
        ]
        .join("\n");
        let asked = asked(&log, "here");
        let created = BTreeSet::from([
            right("create", "", "pods/status"),
            right("patch", "", "pods/status"),
        ]);
        assert_eq!(asked.allowed, created);
        assert_eq!(asked.denied, BTreeSet::from([right("get", "", "pods/status")]));
    }
}
