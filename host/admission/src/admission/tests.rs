//! What is refused, with which words.

use super::*;
use shoal_api::{Capabilities, KeyValueGrant, Link, MessagingGrant, NetworkGrant, SecretGrant};
use shoal_description::Import;

/// What Rust's std imports whatever the program does.
const RUNTIME: [&str; 10] = [
    "wasi:cli/environment@0.2.6",
    "wasi:cli/exit@0.2.6",
    "wasi:cli/stderr@0.2.6",
    "wasi:cli/terminal-stdout@0.2.6",
    "wasi:clocks/monotonic-clock@0.2.6",
    "wasi:filesystem/preopens@0.2.6",
    "wasi:filesystem/types@0.2.6",
    "wasi:io/streams@0.2.6",
    "wasi:random/insecure-seed@0.2.6",
    "wasi:http/types@0.2.6",
];

fn with(capabilities: Capabilities) -> Component {
    Component {
        capabilities,
        ..Component::default()
    }
}

fn refused(import: &str, component: &Component) -> Vec<String> {
    match admit([import], component, &Origin::Manifest(2)) {
        Ok(()) => Vec::new(),
        Err(denied) => denied.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_runtime_needs_no_grant() {
    assert_eq!(
        admit(RUNTIME, &Component::default(), &Origin::Manifest(0)),
        Ok(())
    );
}

#[test]
fn each_part_of_a_component_needs_grants_of_its_own() {
    let import = |name: &str, kind| Import {
        name: name.to_owned(),
        kind,
    };
    let description = Description {
        imports: vec![
            import("p0-wasi:http/outgoing-handler@0.2.6", ItemKind::Interface),
            import("p1-wasi:sockets/tcp@0.2.6", ItemKind::Interface),
            import("acme:shop/types", ItemKind::Types),
        ],
        ..Description::default()
    };
    let granted = with(Capabilities {
        network: Some(NetworkGrant::default()),
        ..Capabilities::default()
    });
    let nothing = Component::default();
    let parts = |second| [(Origin::Manifest(0), &granted), (Origin::Manifest(3), second)];
    assert_eq!(admit_parts(&description, &parts(&granted)), Ok(()));
    let refused = admit_parts(&description, &parts(&nothing)).unwrap_err();
    assert_eq!(refused.part, 1);
    let [denied] = refused.denied.as_slice() else {
        panic!("one import is denied: {refused:?}");
    };
    assert_eq!(denied.import, "wasi:sockets/tcp@0.2.6");
    assert!(denied.to_string().contains("spec.components[3]"), "{denied}");
}

#[test]
fn sockets_are_refused_by_name_with_the_line_that_grants_them() {
    let none = Component::default();
    assert_eq!(
        refused("wasi:sockets/tcp@0.2.6", &none),
        [
            "wasi:sockets/tcp@0.2.6 is not granted. To grant it: spec.components[2].capabilities.network: {outbound: \
          [{host: HOST, ports: [PORT]}]}. If the program never connects (JavaScript, Python and C# import it all the same), this \
          is enough: spec.components[2].capabilities.network: {outbound: []}"
        ]
    );
    for import in [
        "wasi:sockets/network@0.2.6",
        "wasi:sockets/instance-network@0.2.6",
        "wasi:sockets/tcp-create-socket@0.2.6",
        "wasi:sockets/udp@0.2.6",
        "wasi:sockets/udp-create-socket@0.2.6",
        "wasi:sockets/ip-name-lookup@0.2.6",
        "wasi:sockets/ip-name-lookup@0.3.0",
        "wasi:sockets/types@0.3.0",
        "wasi:http/outgoing-handler@0.2.6",
        "wasi:http/client@0.3.0",
    ] {
        assert_eq!(refused(import, &none).len(), 1, "{import}");
        let network = with(Capabilities {
            network: Some(NetworkGrant::default()),
            ..Capabilities::default()
        });
        assert_eq!(refused(import, &network), [""; 0], "{import}");
    }
}

#[test]
fn key_value_needs_a_store_and_kv_store_the_one_named_default() {
    let grant = |name: &str| {
        let grant = KeyValueGrant {
            name: name.to_owned(),
            store: "s".to_owned(),
            read_only: false,
        };
        with(Capabilities {
            key_value: vec![grant],
            ..Capabilities::default()
        })
    };
    let (store, strings) = ("wasi:keyvalue/store@0.2.0-draft", "shoal:service/kv-store@0.1.0");
    assert_eq!(refused(store, &grant("sessions")), [""; 0]);
    assert_eq!(refused(strings, &grant("default")), [""; 0]);
    assert_eq!(
        refused(strings, &grant("sessions")),
        [
            "shoal:service/kv-store@0.1.0 is not granted. To grant it: spec.components[2].capabilities.keyValue: [{name: \
          default, store: STORE}] and spec.stores: [{name: STORE, memory: {}}]"
        ]
    );
    assert_eq!(refused(store, &Component::default()).len(), 1);
}

#[test]
fn secrets_need_an_entry_and_configuration_may_be_empty() {
    let (config, secrets) = ("wasi:config/store@0.2.0-rc.1", "shoal:service/secrets@0.1.0");
    assert_eq!(refused(config, &Component::default()), [""; 0]);
    assert!(
        refused(secrets, &Component::default())[0]
            .contains("capabilities.secrets: [{name: NAME, secretKeyRef:")
    );
    let granted = with(Capabilities {
        secrets: vec![SecretGrant::default()],
        ..Capabilities::default()
    });
    assert_eq!(refused(secrets, &granted), [""; 0]);
}

#[test]
fn messaging_needs_a_channel() {
    let import = "shoal:service/messaging@0.1.0";
    assert_eq!(
        refused(import, &Component::default()),
        [
            "shoal:service/messaging@0.1.0 is not granted. To grant it: spec.components[2].capabilities.messaging: \
          [{channel: CHANNEL, redis: {url: URL}}]"
        ]
    );
    let granted = with(Capabilities {
        messaging: vec![MessagingGrant::default()],
        ..Capabilities::default()
    });
    assert_eq!(refused(import, &granted), [""; 0]);
}

#[test]
fn a_grant_is_for_its_own_interface_alone() {
    let network = with(Capabilities {
        network: Some(NetworkGrant::default()),
        ..Capabilities::default()
    });
    assert_eq!(refused("wasi:keyvalue/store@0.2.0-draft", &network).len(), 1);
    assert_eq!(refused("shoal:service/secrets@0.1.0", &network).len(), 1);
}

#[test]
fn unknown_imports_are_named() {
    let none = Component::default();
    assert_eq!(
        refused("acme:auth/check@1.0.0", &none),
        [
            "Shoal does not have acme:auth/check@1.0.0. If the program never calls it, though its SDK declares it: \
          spec.components[2].capabilities.unusedImports: [\"acme:auth/check\"]. If another component exports it: \
          spec.components[2].links: [{import: \"acme:auth/check@1.0.0\", component: COMPONENT}]"
        ]
    );
    assert!(refused("log", &none)[0].contains("only interfaces can be linked"));
    assert!(refused("wasi:http/types@0.3.0-rc-2026-01-06", &none)[0].contains("in version 0.3.0 only"));
    assert_eq!(
        refused("wasi:messaging/producer@0.2.0-draft", &none),
        ["wasi:messaging/producer@0.2.0-draft: not supported yet"]
    );
}

#[test]
fn a_pod_is_told_which_annotation_to_write() {
    let told = |import: &str, alone: bool| {
        let container = "lib".to_owned();
        let origin = Origin::Pod { container, alone };
        let denied = admit([import], &Component::default(), &origin).expect_err("denied");
        denied[0].to_string()
    };
    let told_of_http = told("wasi:http/outgoing-handler@0.2.6", false);
    assert!(
        told_of_http.starts_with(
            "wasi:http/outgoing-handler@0.2.6 is not granted. To grant it: metadata.annotations[shoal.dev/capabilities.lib]: network: \
             {outbound: [{host: HOST, ports: [443]}]}"
        ),
        "{told_of_http}"
    );
    assert_eq!(
        told("shoal:service/kv-store@0.1.0", true),
        "shoal:service/kv-store@0.1.0 is not granted. To grant it: metadata.annotations[shoal.dev/capabilities]: keyValue: [{name: \
         default, store: STORE}] and metadata.annotations[shoal.dev/stores]: [{name: STORE, memory: {}}]"
    );
    assert_eq!(
        told("acme:auth/check@1.0.0", true),
        "Shoal does not have acme:auth/check@1.0.0. If the program never calls it, though its SDK declares it: \
         metadata.annotations[shoal.dev/capabilities]: unusedImports: [\"acme:auth/check\"]. If another component exports it: \
         metadata.annotations[shoal.dev/links.lib]: [{import: \"acme:auth/check@1.0.0\", component: COMPONENT}]"
    );
}

#[test]
fn a_link_provides_what_is_not_granted() {
    let link = |import: &str| Component {
        links: vec![Link {
            import: import.to_owned(),
            component: Some("auth".to_owned()),
            ..Link::default()
        }],
        ..Component::default()
    };
    assert_eq!(
        refused("acme:auth/check@1.0.0", &link("acme:auth/check")),
        [""; 0]
    );
    assert_eq!(
        refused("acme:auth/check@1.0.0", &link("acme:auth/check@1.0.0")),
        [""; 0]
    );
    assert_eq!(
        refused(
            "wasi:http/outgoing-handler@0.2.6",
            &link("wasi:http/outgoing-handler")
        ),
        [""; 0]
    );
    assert_eq!(
        refused("acme:auth/check@1.0.0", &link("acme:auth/check@2.0.0")).len(),
        1
    );
}

#[test]
fn all_refusals_come_at_once() {
    let imports = RUNTIME.into_iter().chain([
        "wasi:sockets/tcp@0.2.0",
        "wasi:keyvalue/batch@0.2.0-draft",
        "x:y/z",
    ]);
    let denied = admit(imports, &Component::default(), &Origin::Manifest(0)).expect_err("three are refused");
    let names: Vec<_> = denied.iter().map(|denied| denied.import.as_str()).collect();
    assert_eq!(
        names,
        [
            "wasi:sockets/tcp@0.2.0",
            "wasi:keyvalue/batch@0.2.0-draft",
            "x:y/z"
        ]
    );
}

#[test]
fn imports_that_are_never_used_are_not_refused() {
    let unused = with(Capabilities {
        unused_imports: vec![
            "fermyon:spin/*".to_owned(),
            "wasi:sockets/*".to_owned(),
            "log".to_owned(),
        ],
        ..Capabilities::default()
    });
    for import in ["fermyon:spin/llm@2.0.0", "wasi:sockets/tcp@0.2.6", "log"] {
        assert_eq!(refused(import, &unused), [""; 0], "{import}");
        assert_eq!(refused(import, &Component::default()).len(), 1, "{import}");
    }
    assert_eq!(refused("spin:postgres/postgres@3.0.0", &unused).len(), 1);
    let imports = [
        "fermyon:spin/llm@2.0.0",
        "wasi:sockets/tcp@0.2.6",
        "wasi:cli/exit@0.2.6",
    ];
    let description = Description {
        imports: imports
            .map(|name| Import {
                name: name.to_owned(),
                kind: ItemKind::Interface,
            })
            .into(),
        ..Description::default()
    };
    // Only what Shoal does not have needs something in its place.
    let parts = [&unused];
    let stubbed: Vec<_> = crate::stubs(&description, &parts).map(|it| it.name).collect();
    assert_eq!(stubbed, ["fermyon:spin/llm@2.0.0"]);
}
