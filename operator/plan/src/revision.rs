//! The name of a revision: a hash over all that makes its pods what they are.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::json;
use sha2::{Digest, Sha256};

/// The revision of a template, which does not name one yet.
pub(crate) fn of(template: &PodTemplateSpec) -> String {
    // Fields are in the order of the type, labels and annotations in that of their names: the same template, the same text.
    name(&json!(template).to_string())
}

/// One for several.
pub(crate) fn over(several: &[&str]) -> String {
    name(&several.join(","))
}

fn name(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..5])
}
