//! How a pod's annotations are read.

use super::*;
use crate::WasmServiceSpec;

fn annotations(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn container() -> Container {
    Container {
        name: "web".to_owned(),
        image: "registry.example:5000/Odd/name@sha256:00".to_owned(),
        args: vec!["serve".to_owned()],
        env: vec![("A".to_owned(), "1".to_owned())],
        memory: Some(32 << 20),
    }
}

#[test]
fn nothing_said_is_nothing_granted() {
    let component = program(&container(), &annotations(&[])).unwrap().component;
    assert!(component.capabilities.is_empty());
    assert_eq!(component.limits.memory.bytes(), 32 << 20);
    assert_eq!(component.args, ["serve"]);
    assert_eq!(component.env[0].name, "A");
}

#[test]
fn the_containers_own_annotation_goes_before_the_pods() {
    let network = |host: &str| format!("network: {{outbound: [{{host: {host}, ports: [80]}}]}}");
    let (all, own) = (network("a.example"), network("b.example"));
    let said = annotations(&[(CAPABILITIES, &all), ("shoal.dev/capabilities.web", &own)]);
    let granted = program(&container(), &said)
        .unwrap()
        .component
        .capabilities
        .network
        .unwrap();
    assert_eq!(granted.outbound[0].host, "b.example");
    let other = Container {
        name: "other".to_owned(),
        ..container()
    };
    let granted = program(&other, &said)
        .unwrap()
        .component
        .capabilities
        .network
        .unwrap();
    assert_eq!(granted.outbound[0].host, "a.example");
}

#[test]
fn certificates_come_as_variables() {
    let text = "{network: {tls: [\
                {hosts: [a.example], ca: {valueFrom: {configMapKeyRef: {name: corp, key: ca.crt}}}}, \
                {hosts: [b.example], ca: {value: PEM}, clientCertificate: {secretName: own}}]}}";
    let read = program(&container(), &annotations(&[(CAPABILITIES, text)])).unwrap();
    let carried = carried(&read.component, &WasmServiceSpec::default());
    let names: Vec<_> = carried.into_iter().map(|it| it.name).collect();
    assert_eq!(
        names,
        [
            "shoal.dev.config-map.corp..ca.crt",
            "shoal.dev.secret.own..tls.crt",
            "shoal.dev.secret.own..tls.key"
        ]
    );
    assert!(unsupported(&read.component).is_empty());
}

#[test]
fn values_of_other_objects_come_as_variables_and_are_none() {
    let text = "{secrets: [{name: a, secretKeyRef: {name: b.c, key: .d}}], config: [{name: plain, value: b}, \
                {name: d, valueFrom: {configMapKeyRef: {name: e, key: f}}}, \
                {name: missing, valueFrom: {configMapKeyRef: {name: e, key: g, optional: true}}}], \
                keyValue: [{name: default, store: s}]}";
    let stores = "[{name: s, redis: {urlFrom: {secretKeyRef: {name: b.c, key: url}}}}, \
                  {name: other, redis: {urlFrom: {secretKeyRef: {name: other, key: url}}}}]";
    let said = annotations(&[(CAPABILITIES, text), (STORES, stores), (SERVICE, "shop")]);
    let read = program(&container(), &said).unwrap();
    let spec = WasmServiceSpec {
        stores: read.stores,
        ..WasmServiceSpec::default()
    };
    let names: Vec<_> = carried(&read.component, &spec)
        .into_iter()
        .map(|it| it.name)
        .collect();
    assert_eq!(
        names,
        [
            "shoal.dev.config-map.e..f",
            "shoal.dev.config-map.e..g",
            "shoal.dev.secret.b.c...d",
            "shoal.dev.secret.b.c..url"
        ]
    );
    let mut given = container();
    given.env.push((names[0].clone(), "one".to_owned()));
    given.env.push((names[2].clone(), "two".to_owned()));
    let Program {
        component, values, ..
    } = program(&given, &said).unwrap();
    assert_eq!(component.env.len(), 1, "{:?}", component.env);
    let secret = [(".d".to_owned(), crate::Secret::new(*b"two"))].into();
    assert_eq!(
        values,
        Values {
            config_maps: [("e".to_owned(), annotations(&[("f", "one")]))].into(),
            secrets: [("b.c".to_owned(), secret)].into(),
        }
    );
    assert!(unsupported(&component).is_empty());
}

#[test]
fn stores_are_those_of_a_manifest_that_it_is_granted() {
    let granted = "keyValue: [{name: default, store: visits}]";
    let said = |stores: &str| {
        program(
            &container(),
            &annotations(&[(CAPABILITIES, granted), (STORES, stores), (SERVICE, "shop")]),
        )
    };
    for kind in [
        "memory: {}",
        "redis: {url: 'redis://r'}",
        "persistent: {volume: data}",
    ] {
        let text = format!("[{{name: visits, {kind}}}, {{name: other, memory: {{}}}}]");
        let read = said(&text).unwrap();
        let names: Vec<_> = read.stores.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["visits"]);
        assert!(unsupported(&read.component).is_empty());
    }
    for (text, words) in [
        (
            "[{name: other, memory: {}}]",
            "shoal.dev/capabilities].keyValue[0]",
        ),
        ("[{name: visits}]", "shoal.dev/stores][0]"),
        (
            "[{name: visits, persistent: {}}]",
            "shoal.dev/stores][0].persistent",
        ),
        ("{", "shoal.dev/stores]"),
    ] {
        let problems = said(text).unwrap_err();
        let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert!(all.iter().any(|it| it.contains(words)), "{text}: {all:?}");
    }
}

#[test]
fn links_lead_to_others_of_the_pod() {
    let text = "[{import: 'acme:shop/cart', component: cart}]";
    let said = annotations(&[("shoal.dev/links.web", text)]);
    let component = program(&container(), &said).unwrap().component;
    assert_eq!(component.links[0].component.as_deref(), Some("cart"));
    assert!(unsupported(&component).is_empty());
    assert_eq!(linked(&said), BTreeSet::from(["cart".to_owned()]));
    let service = annotations(&[("shoal.dev/links.web", "[{import: 'a:b/c', service: other}]")]);
    let component = program(&container(), &service).unwrap().component;
    assert_eq!(unsupported(&component)[0].field, "links[0].service");
    let own = annotations(&[("shoal.dev/links.web", "[{import: 'a:b/c', component: web}]")]);
    let problems = program(&container(), &own).unwrap_err();
    assert!(
        problems[0].to_string().contains("shoal.dev/links.web]"),
        "{}",
        problems[0]
    );
}

#[test]
fn what_replicas_share_needs_a_name() {
    let granted = "keyValue: [{name: default, store: visits}]";
    for (store, field) in [
        ("redis: {url: 'redis://r'}", "[shoal.dev/stores][0].redis.prefix"),
        ("persistent: {volume: data}", "[shoal.dev/stores][0].persistent"),
    ] {
        let text = format!("[{{name: visits, {store}}}]");
        let problems = program(
            &container(),
            &annotations(&[(CAPABILITIES, granted), (STORES, &text)]),
        )
        .unwrap_err();
        assert!(problems[0].to_string().contains(field), "{}", problems[0]);
    }
    let stream = "[{name: a, component: web, redis: {url: 'redis://r', streams: [{stream: jobs}]}}]";
    let problems = triggers(&annotations(&[(TRIGGERS, stream)])).unwrap_err();
    assert!(
        problems[0]
            .to_string()
            .contains("[shoal.dev/triggers][0].redis.streams[0].group"),
        "{}",
        problems[0]
    );
    assert!(triggers(&annotations(&[(TRIGGERS, stream), (SERVICE, "shop")])).is_ok());
}

#[test]
fn triggers_are_those_of_a_manifest() {
    let said = |text| triggers(&annotations(&[(TRIGGERS, text)]));
    let read = said("[{name: a, component: web, http: {path: /a}}, {name: b, component: api, http: {}}]")
        .unwrap()
        .unwrap();
    let paths: Vec<_> = read
        .iter()
        .map(|it| (it.component.as_str(), it.http.as_ref().unwrap().path.as_str()))
        .collect();
    assert_eq!(paths, [("web", "/a"), ("api", "/")]);
    assert_eq!(triggers(&annotations(&[])), Ok(None));
    for (text, words) in [
        ("{}", "shoal.dev/triggers]"),
        ("[{name: a, http: {}}]", "shoal.dev/triggers][0].component"),
        (
            "[{name: a, component: x, http: {}}, {name: b, component: z, http: {}}]",
            "same path",
        ),
        (
            "[{name: a, component: x, schedule: {}}]",
            "shoal.dev/triggers][0].schedule.cron",
        ),
        ("[", "shoal.dev/triggers]"),
    ] {
        let problems = said(text).unwrap_err();
        assert!(problems[0].to_string().contains(words), "{text}: {}", problems[0]);
    }
}

#[test]
fn limits_are_those_of_a_manifest() {
    let said = annotations(&[(LIMITS, "{memory: 1Mi, cpuTime: 5s}")]);
    let component = program(&container(), &said).unwrap().component;
    assert_eq!(component.limits.memory.bytes(), 1 << 20);
    assert_eq!(component.limits.cpu_time.as_std().as_secs(), 5);
}

#[test]
fn a_mistake_names_the_annotation_and_the_field() {
    for (key, text, field, words) in [
        (
            CAPABILITIES,
            "network: {outbound: [{ports: [80]}]}",
            "metadata.annotations[shoal.dev/capabilities].network.outbound[0].host",
            "is missing",
        ),
        (
            CAPABILITIES,
            "{",
            "metadata.annotations[shoal.dev/capabilities]",
            "",
        ),
        (
            CAPABILITIES,
            "a: 1\n---\nb: 2",
            "metadata.annotations[shoal.dev/capabilities]",
            "2 documents",
        ),
        (
            LIMITS,
            "memory: lots",
            "metadata.annotations[shoal.dev/limits].memory",
            "lots",
        ),
    ] {
        let problems = program(&container(), &annotations(&[(key, text)])).unwrap_err();
        let problem = &problems[0];
        assert!(problem.field.starts_with(field), "{problem}");
        assert!(problem.to_string().contains(words), "{problem}");
    }
    let problem = trust_domain(&annotations(&[(TRUST_DOMAIN, "The_Cluster")])).unwrap_err();
    assert!(
        problem.to_string().contains("namespace, node, pod, or a name"),
        "{problem}"
    );
}

#[test]
fn directories_are_granted_on_volumes_of_the_pod() {
    let text =
        "filesystem: [{volume: data, mountPath: /data, readOnly: false}, {volume: data, mountPath: /again}]";
    let said = annotations(&[(CAPABILITIES, text)]);
    let found = program(&container(), &said)
        .unwrap()
        .component
        .capabilities
        .filesystem;
    let found: Vec<_> = found
        .iter()
        .map(|it| (it.mount_path.as_str(), it.read_only))
        .collect();
    assert_eq!(found, [("/data", false), ("/again", true)]);
    let at = "metadata.annotations[shoal.dev/capabilities].filesystem";
    for (text, stores, field) in [
        (
            "filesystem: [{volume: data, mountPath: data}]",
            "",
            "[0].mountPath",
        ),
        (
            "filesystem: [{volume: data, mountPath: /data}]",
            "[{name: kept, persistent: {volume: data}}]",
            "",
        ),
    ] {
        let mut said = annotations(&[(CAPABILITIES, text), (SERVICE, "web")]);
        if !stores.is_empty() {
            said.insert(STORES.to_owned(), stores.to_owned());
        }
        let problems = program(&container(), &said).unwrap_err();
        let wanted = format!("{at}{field}");
        assert!(
            problems.iter().any(|it| it.field.starts_with(&wanted)),
            "{problems:?}"
        );
    }
}

#[test]
fn a_pod_has_a_grant_where_one_of_its_components_has() {
    let outbound = "network: {outbound: [{host: a.example, ports: [80]}]}";
    let directory = "filesystem: [{volume: data, mountPath: /data}]";
    for (said, directories, connections) in [
        (&[][..], false, false),
        (&[(CAPABILITIES, outbound)][..], false, true),
        (
            &[
                ("shoal.dev/capabilities.web", directory),
                (CAPABILITIES, "network: {outbound: []}"),
            ][..],
            true,
            false,
        ),
        (
            &[("shoal.dev/capabilities-of-others", directory)][..],
            false,
            false,
        ),
    ] {
        let wanted = Granted {
            directories,
            connections,
        };
        assert_eq!(granted(&annotations(said)), wanted, "{said:?}");
    }
}

#[test]
fn debug_tells_no_value_that_may_be_a_secret() {
    let mut given = container();
    given.env = vec![
        ("PASSWORD".to_owned(), "hunter2".to_owned()),
        (
            variable_name(crate::ReferenceKind::Secret, "keys", "token"),
            "hunter2".to_owned(),
        ),
    ];
    let program = program(&given, &BTreeMap::new()).unwrap();
    assert_eq!(program.component.env[0].value.as_deref(), Some("hunter2"));
    for text in [format!("{given:?}"), format!("{program:?} {program:#?}")] {
        assert!(text.contains("PASSWORD") && text.contains("token"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    let manifest = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {token: hunter2}\n";
    let text = format!("{:?}", manifest::parse(manifest, "test").unwrap());
    assert!(text.contains("keys") && !text.contains("hunter2"), "{text}");
}
