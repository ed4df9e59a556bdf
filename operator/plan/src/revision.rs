//! The name of a revision: a hash over all that makes its pods what they are.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::json;
use sha2::{Digest, Sha256};

/// The revision of a template, which does not name one yet.
pub(crate) fn of(template: &PodTemplateSpec) -> String {
    // Fields are in the order of the type, labels and annotations in that of their names: the same template, the same text.
    let hash = Sha256::digest(json!(template).to_string());
    hex::encode(&hash[..5])
}
