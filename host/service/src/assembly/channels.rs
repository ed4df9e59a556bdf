//! The channels that a component may publish to. What publishing is, is in `capability`.

use crate::assembly::redis::{STORED, Servers};
use shoal_api::{Component, Problem};
use shoal_capability::{Channel, Sending};
use std::collections::BTreeMap;

/// The channels by name. `at` is the component's field.
pub(crate) fn granted(
    component: &Component,
    at: &str,
    servers: &Servers<'_>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Channel> {
    let mut channels = BTreeMap::new();
    for (index, grant) in component.capabilities.messaging.iter().enumerate() {
        let at = format!("{at}.capabilities.messaging[{index}].redis");
        let sending = match &grant.redis.stream {
            Some(stream) => Sending::Append {
                max_length: stream.max_length,
            },
            None => Sending::Publish,
        };
        match servers.client((&grant.redis).into(), STORED, &at) {
            Ok(client) => drop(channels.insert(grant.channel.clone(), Channel { client, sending })),
            Err(problem) => problems.push(problem),
        }
    }
    channels
}
