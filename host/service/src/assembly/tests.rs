//! The grants of components with an outside that is neither a laptop's nor a pod's.

use super::fields::Fields;
use super::grants::{Described, Granted, Group, Shared};
use crate::{Objects, Output, Outside, Owner, ServiceError, ServiceId, StoreFile};
use async_trait::async_trait;
use shoal_api::{Component, Store, Trigger};
use shoal_capability::keyvalue::KeyValue;
use shoal_capability::{Dialer, Folder, LocalDialer, Mount, Stdio};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Hands out what the test gave it.
struct Handed {
    owner: Owner,
    dialer: Arc<dyn Dialer>,
    file: Mutex<Option<StoreFile>>,
}

#[async_trait]
impl Outside for Handed {
    fn owner(&self) -> Owner {
        self.owner.clone()
    }

    fn dialer(&self, _place: usize) -> Arc<dyn Dialer> {
        Arc::clone(&self.dialer)
    }

    fn output(&self, _place: usize, _component: &Component) -> Output {
        Output::Inherited
    }

    async fn mounts(&self, place: usize, _component: &Component) -> Result<Vec<Mount>, ServiceError> {
        Ok(vec![Mount {
            source: Folder::Named(PathBuf::from(format!("/place-{place}"))),
            path: "/data".to_owned(),
            read_only: true,
        }])
    }

    async fn store_file(&self, _store: &Store) -> Result<Option<StoreFile>, ServiceError> {
        Ok(self.file.lock().unwrap().take())
    }
}

fn handed(owner: &str, lasting: bool) -> Handed {
    Handed {
        owner: Owner {
            name: owner.to_owned(),
            lasting,
        },
        dialer: Arc::new(LocalDialer),
        file: Mutex::default(),
    }
}

/// A service with two components that are granted the same store.
struct Shop {
    id: ServiceId,
    components: Vec<Component>,
    stores: Vec<Store>,
    objects: Objects,
    triggers: Vec<Trigger>,
}

fn described(namespace: &str, store: serde_json::Value) -> Shop {
    let component = |name: &str| {
        let component = serde_json::json!({
            "name": name, "image": "x", "args": ["--fast"],
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2"}],
            "capabilities": {
                "config": [{"name": "colour", "value": "red"}],
                "keyValue": [{"name": "default", "store": "data"}],
                "network": {"outbound": []},
            },
        });
        serde_json::from_value(component).unwrap()
    };
    let mut data = serde_json::json!({"name": "data"});
    let fields = store.as_object().unwrap().clone();
    data.as_object_mut().unwrap().extend(fields);
    Shop {
        id: ServiceId::new(namespace, "shop"),
        components: vec![component("web"), component("lib")],
        stores: vec![serde_json::from_value(data).unwrap()],
        objects: Objects::default(),
        triggers: Vec::new(),
    }
}

impl Shop {
    async fn grant(
        &self,
        shared: &Shared,
        outside: &dyn Outside,
        fields: Fields,
    ) -> Result<Granted, ServiceError> {
        let components = self.components.iter().map(|component| Described {
            component,
            objects: &self.objects,
            stores: &self.stores,
        });
        let group = Group {
            id: &self.id,
            label: &self.id.name,
            fields,
            manifest: None,
            components: components.collect(),
            triggers: &self.triggers,
            outside,
        };
        shared.grant(&group, Vec::new()).await
    }

    /// The store of its first component.
    async fn store(&self, shared: &Shared, outside: &dyn Outside) -> Option<Arc<dyn KeyValue>> {
        let granted = self.grant(shared, outside, Fields::Manifest).await.unwrap();
        let store = granted.grants[0].stores.get("default");
        store.map(|it| Arc::clone(&it.store))
    }
}

#[tokio::test]
async fn a_component_is_given_the_same_wherever_it_was_described() {
    let shop = described("default", serde_json::json!({"memory": {}}));
    for fields in [Fields::Manifest, Fields::Pod, Fields::Command] {
        let outside = handed("shop", false);
        let granted = shop.grant(&Shared::default(), &outside, fields).await.unwrap();
        for (place, name) in ["web", "lib"].into_iter().enumerate() {
            let grants = &granted.grants[place];
            assert_eq!(grants.component, format!("shop/{name}"));
            assert_eq!(grants.args, [name, "--fast"]);
            assert_eq!(
                grants.env,
                [("A", "1"), ("B", "12")].map(|(name, value)| (name.to_owned(), value.to_owned()))
            );
            assert_eq!(grants.config.get("colour").map(String::as_str), Some("red"));
            assert!(grants.stores.contains_key("default"));
            assert!(
                matches!(&grants.mounts[0].source, Folder::Named(it) if it.ends_with(format!("place-{place}")))
            );
            let network = grants.network.as_ref().unwrap();
            assert!(Arc::ptr_eq(&network.dialer, &outside.dialer));
            assert!(matches!(grants.stdio, Stdio::Inherit));
        }
    }
}

#[tokio::test]
async fn what_is_wrong_for_several_components_is_told_once_and_where_it_stands() {
    let mut shop = described("default", serde_json::json!({"redis": {"url": "no url"}}));
    shop.components[1].capabilities.config[0].value = None;
    shop.components[1].capabilities.config[0].value_from = Some(
        serde_json::from_value(serde_json::json!({"configMapKeyRef": {"name": "none", "key": "k"}})).unwrap(),
    );
    for (fields, wrong) in [
        (
            Fields::Manifest,
            [
                "spec.stores[0].redis.url",
                "spec.components[1].capabilities.config[0].valueFrom.configMapKeyRef",
            ],
        ),
        (
            Fields::Pod,
            [
                "metadata.annotations[shoal.dev/stores][data].redis.url",
                "component.capabilities.config[0].valueFrom.configMapKeyRef",
            ],
        ),
    ] {
        let outside = handed("shop", false);
        let refused = shop.grant(&Shared::default(), &outside, fields).await;
        let Err(ServiceError::Manifest(problems)) = refused else {
            panic!("it was granted");
        };
        let found: Vec<_> = problems.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(found, wrong);
    }
}

#[tokio::test]
async fn stores_in_memory_are_told_apart_by_namespace_and_name() {
    let shared = Shared::default();
    let memory = serde_json::json!({"memory": {}});
    let (here, there) = (described("default", memory.clone()), described("other", memory));
    let outside = |it: &Shop, lasting| handed(&it.id.to_string(), lasting);
    let first = here.store(&shared, &outside(&here, true)).await.unwrap();
    let again = here.store(&shared, &outside(&here, true)).await.unwrap();
    let other = there.store(&shared, &outside(&there, true)).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    assert!(!Arc::ptr_eq(&first, &other));
    // It outlives those who use it where its owner says so, and only there.
    let lasting = Arc::downgrade(&first);
    drop((first, again, other));
    assert!(lasting.upgrade().is_some());
    let passing = here.store(&shared, &handed("a pod", false)).await.unwrap();
    let again = here.store(&shared, &handed("a pod", false)).await.unwrap();
    assert!(Arc::ptr_eq(&passing, &again));
    let dropped = Arc::downgrade(&passing);
    drop((passing, again));
    assert!(dropped.upgrade().is_none());
}

#[tokio::test]
async fn a_file_has_one_writer_whether_it_is_named_or_came_open() {
    let shared = Shared::default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.redb");
    let shop = described("default", serde_json::json!({"persistent": {"volume": "disk"}}));
    let named = || {
        let outside = handed("default/shop", true);
        *outside.file.lock().unwrap() = Some(StoreFile::Named(path.clone()));
        outside
    };
    let first = shop.store(&shared, &named()).await.unwrap();
    let again = shop.store(&shared, &named()).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    let pod = handed("a pod", false);
    // Nothing came with the container, and nobody of its pod has it open.
    assert!(shop.store(&shared, &pod).await.is_none());
    let opened = || {
        let mut options = std::fs::File::options();
        let file = options.read(true).write(true).create(true).truncate(false);
        StoreFile::Opened(file.open(folder.path().join("other.redb")).unwrap())
    };
    *pod.file.lock().unwrap() = Some(opened());
    let first = shop.store(&shared, &pod).await.unwrap();
    *pod.file.lock().unwrap() = Some(opened());
    let again = shop.store(&shared, &pod).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again));
}
