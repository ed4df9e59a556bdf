//! `WasmService` itself: its spec, its components and how they are linked. Grants, limits, triggers and status have
//! files of their own.

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, LocalObjectReference, ResourceRequirements, Volume};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::Redacted;
use crate::rules;
use crate::schema::{self, LABEL, SUBDOMAIN};
use crate::{
    Capabilities, Limits, Placement, PodTemplate, Probe, Reuse, Scaling, Store, Trigger, WasmServiceStatus,
};

/// What runs, what it may do, and what calls it.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "shoal.dev",
    version = "v1alpha1",
    kind = "WasmService",
    namespaced,
    status = "WasmServiceStatus",
    derive = "PartialEq",
    shortname = "wsvc",
    category = "all",
    category = "shoal",
    validation = rules::service_name(),
    doc = "A service made of WebAssembly components. Where it runs (packed with others or in pods of its own) is decided while it runs.",
    scale(
        spec_replicas_path = ".spec.scaling.minReplicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Placement", type_ = "string", json_path = ".status.placement"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.replicas"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::trigger_component())]
#[x_kube(validation = rules::http_paths())]
#[x_kube(validation = rules::link_component())]
#[x_kube(validation = rules::key_value_store())]
#[x_kube(validation = rules::filesystem_volume())]
#[x_kube(validation = rules::store_volume())]
#[x_kube(validation = rules::store_volume_alone())]
pub struct WasmServiceSpec {
    /// The components that make up the service, 1 to 64. Each is denied everything it is not granted.
    #[schemars(length(min = 1, max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub components: Vec<Component>,

    /// What calls the components: HTTP requests, messages, a schedule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub triggers: Vec<Trigger>,

    /// Key-value stores that components are granted by name; a component never learns what kind serves it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub stores: Vec<Store>,

    /// Volumes as in a Pod; a component sees one only if its capabilities grant it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::volumes")]
    pub volumes: Vec<Volume>,

    /// Where the service runs.
    #[serde(default)]
    pub placement: Placement,

    /// How many replicas serve it.
    #[serde(default)]
    pub scaling: Scaling,

    /// Secrets of type kubernetes.io/dockerconfigjson with the credentials for pulling the components.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::pull_secrets")]
    pub image_pull_secrets: Vec<LocalObjectReference>,

    /// The ServiceAccount that the service's pods run as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = SUBDOMAIN))]
    pub service_account_name: Option<String>,

    /// The service's pods: labels, annotations, and where they are scheduled.
    #[serde(default, skip_serializing_if = "PodTemplate::is_empty")]
    pub template: PodTemplate,
}

/// One WebAssembly component, or a core module that is a program of WASI preview 1.
#[derive(KubeSchema, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(
    &["image", "file"],
    "a component needs exactly one of image (an OCI reference) and file (a path; for shoal up only)"
))]
#[x_kube(validation = rules::link_to_another())]
#[x_kube(validation = rules::rule(
    "!has(self.imagePullPolicy) || has(self.image)",
    "imagePullPolicy needs an image: remove it, or set image in place of file"
))]
pub struct Component {
    /// A name that is unique in the service; triggers and links use it.
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL))]
    pub name: String,

    /// An OCI reference: `registry.example/greeter:1.2`, or with `@sha256:…`. Exactly one of image and file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 512),
        regex(pattern = schema::IMAGE)
    )]
    pub image: Option<String>,

    /// A path of a `.wasm` file or an OCI layout folder, relative to the manifest. Only `shoal up` reads files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub file: Option<String>,

    /// When the image is pulled, as for a container. Absent: `Always` for the tag `latest`, else `IfNotPresent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,

    /// Arguments of a `wasi:cli` component, without the program's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 4096)))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub args: Vec<String>,

    /// Environment variables, as for a container. A component sees these and no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::env")]
    pub env: Vec<EnvVar>,

    /// Variables from all keys of ConfigMaps and Secrets, as for a container. Of several with one name the last counts, and `env` before
    /// all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::env_from")]
    pub env_from: Vec<EnvFromSource>,

    /// Imports that another component or another service provides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["import"]))]
    pub links: Vec<Link>,

    /// What the component may do. Absent means denied.
    #[serde(default, skip_serializing_if = "Capabilities::is_empty")]
    pub capabilities: Capabilities,

    /// What the component may spend.
    #[serde(default)]
    pub limits: Limits,

    /// What quotas and the scheduler count for the component in each replica, as for a container. Absent: requests of `cpu: 1m` and
    /// `memory: 1Mi`, limits of `cpu: 100m` and `limits.memory`. What an instance may take is in `limits`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::resources")]
    pub resources: Option<ResourceRequirements>,

    /// Whether the component takes requests. Absent: once it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Probe>,

    /// Whether the component is well; if not, its container is started again. Absent: it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,

    /// Serve several requests with one instance. Absent: a fresh instance for every request, so that no request
    /// sees what another left behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<Reuse>,
}

/// Without the values of its variables: in a pod, kubelet has filled them in from Secrets.
impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.image.as_ref().or(self.file.as_ref());
        f.debug_struct("Component")
            .field("name", &self.name)
            .field("source", &source)
            .field("args", &self.args)
            .field("env", &Redacted(self.env.iter().map(|it| &it.name)))
            .field("links", &self.links)
            .field("capabilities", &self.capabilities)
            .field("limits", &self.limits)
            .field("resources", &self.resources)
            .finish_non_exhaustive()
    }
}

/// When an image is pulled, as for a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImagePullPolicy {
    /// Ask the registry every time for what the tag stands for.
    Always,
    /// Pull what is not in the cache.
    IfNotPresent,
    /// Run only what is in the cache.
    Never,
}

/// A WIT import and who provides it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(
    &["component", "service"],
    "a link needs exactly one of component (of this service) and service (another WasmService)"
))]
pub struct Link {
    /// The imported interface: `acme:auth/check`, with a version if the component names one.
    #[schemars(length(max = 255), regex(pattern = schema::INTERFACE))]
    pub import: String,

    /// A component of this service that exports it. Exactly one of component and service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL))]
    pub component: Option<String>,

    /// A WasmService of the same namespace that exports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = SUBDOMAIN))]
    pub service: Option<String>,
}
