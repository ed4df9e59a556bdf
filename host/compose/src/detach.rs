//! Values that a shared interface takes from one that is not: `wasi:filesystem/types` is one for all parts, and the times in it come from
//! `wasi:clocks`, which each part has its own of.

use wac_types::{InterfaceId, ItemKind, Type, Types, WorldId};

/// Makes such values the shared interface's own. A value is the same type wherever it is written down; a resource is not, and stays where it
/// comes from. `types` are those of one part, `world` is its own.
pub(crate) fn detach(types: &mut Types, world: WorldId, shared: &dyn Fn(&str) -> bool) {
    let imports = types[world].imports.iter();
    let interfaces: Vec<InterfaceId> = imports
        .filter_map(|(name, kind)| match kind {
            ItemKind::Instance(id) if shared(name) => Some(*id),
            _ => None,
        })
        .collect();
    for id in interfaces {
        let interface = &types[id];
        let uses = interface.uses.iter();
        let own: Vec<String> = uses
            .filter(|(name, used)| {
                let from = types[used.interface].id.as_deref();
                let value = matches!(interface.exports.get(*name), Some(ItemKind::Type(Type::Value(_))));
                value && from.is_some_and(|from| !shared(from))
            })
            .map(|(name, _)| name.clone())
            .collect();
        types[id].uses.retain(|name, _| !own.contains(name));
    }
}
