//! Where variables come from, and what is wrong with them.

use super::*;

#[test]
fn variables_expand_as_in_a_pod() {
    let known = [("A".to_owned(), "1".to_owned())];
    assert_eq!(expand("x$(A)y$(B)z", &known), "x1y$(B)z");
    assert_eq!(expand("$$(A) $A $(A $", &known), "$(A) $A $(A $");
}

#[test]
fn what_kubelet_has_expanded_stays_as_it_is() {
    let component = serde_json::from_value(serde_json::json!({
        "name": "it", "image": "x",
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$$"}],
    }));
    let component: Component = component.expect("a component");
    for (objects, expanded) in [
        (Objects::default(), "1$"),
        (Objects::from(&Values::default()), "$(A)$$"),
    ] {
        let mut problems = Vec::new();
        let sources = Sources {
            objects: &objects,
            service: None,
        };
        let variables = environment(&component, "at", sources, &mut problems);
        let found = variables.iter().find(|(name, _)| name == "B");
        assert_eq!(found.map(|(_, value)| value.as_str()), Some(expanded));
        assert_eq!(problems, []);
    }
}

#[test]
fn variables_of_whole_objects_give_way_and_fields_have_stand_ins() {
    let text = "
apiVersion: shoal.dev/v1alpha1
kind: WasmService
metadata: {name: shop, namespace: town}
spec:
  components:
  - name: web
    image: r.example/web:1
    env:
    - {name: A, value: own}
    - {name: B, value: $(C)}
    - {name: WHERE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
    - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    envFrom:
    - {configMapRef: {name: words}}
    - {prefix: DB_, secretRef: {name: db}}
    - {configMapRef: {name: missing, optional: true}}
    - {secretRef: {name: gone}}
";
    let document = shoal_api::manifest::parse(text, "test").unwrap().remove(0);
    let shoal_api::manifest::Document::Service(service) = document else {
        unreachable!("one service");
    };
    let pairs = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let mut objects = Objects::default();
    let mut map = core::v1::ConfigMap::default();
    map.metadata.name = Some("words".to_owned());
    map.data = Some(pairs(&[("A", "theirs"), ("C", "c")]));
    objects.add_config_map(map);
    let mut secret = core::v1::Secret::default();
    secret.metadata.name = Some("db".to_owned());
    secret.string_data = Some(pairs(&[("USER", "root")]));
    objects.add_secret(secret);
    let mut problems = Vec::new();
    let sources = Sources {
        objects: &objects,
        service: Some(&service),
    };
    let variables = environment(&service.spec.components[0], "at", sources, &mut problems);
    let variables: BTreeMap<_, _> = variables.into_iter().collect();
    let expected = [
        ("A", "own"),
        ("B", "$(C)"),
        ("C", "c"),
        ("DB_USER", "root"),
        ("MEMORY", "64"),
        ("WHERE", "town"),
    ];
    assert_eq!(variables, pairs(&expected));
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(
        texts[0].starts_with("at.envFrom[3].secretRef: there is no Secret gone"),
        "{texts:?}"
    );
}

#[test]
fn debug_tells_no_value() {
    let mut objects = Objects::default();
    objects.add_secret(core::v1::Secret {
        string_data: Some([("token".to_owned(), "hunter2".to_owned())].into()),
        ..core::v1::Secret::default()
    });
    objects.add_config_map(core::v1::ConfigMap {
        data: Some([("url".to_owned(), "redis://:hunter2@cache".to_owned())].into()),
        ..core::v1::ConfigMap::default()
    });
    let values = Values {
        secrets: objects.secrets.clone(),
        ..Values::default()
    };
    for text in [
        format!("{objects:?} {objects:#?}"),
        format!("{:?}", Objects::from(&values)),
    ] {
        assert!(text.contains("token") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn what_is_missing_is_named_unless_it_may_be() {
    let objects = Objects::default();
    let problem = objects
        .read(ReferenceKind::Secret, "db", "password", false, "spec.x")
        .expect_err("it is missing");
    assert_eq!(
        (problem.field.as_str(), problem.message.as_str()),
        ("spec.x", "there is no Secret db")
    );
    assert_eq!(
        objects.read(ReferenceKind::Secret, "db", "password", true, "spec.x"),
        Ok(None)
    );
}
