//! Which export makes a component which world. This is the only place that knows: it decides what can call a component. How each world
//! is called is in `service`.

use crate::{Description, Export, ItemKind, unversioned};
use semver::Version;

/// A world that a host can call a component as. One export tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// `wasi:http/proxy` 0.2: requests.
    HttpProxy,
    /// `wasi:http/service` 0.3: requests.
    HttpService,
    /// `shoal:service/my-service`: requests, and messages and points in time as well.
    MyService,
    /// `shoal:service/message-service`: messages and points in time.
    MessageService,
    /// `wasi:cli/command`: run once. Messages and points in time can run it, too.
    Command,
}

/// What a component exports one of so that requests can call it, for an error's text.
pub const HANDLES_REQUESTS: &str =
    "wasi:http/incoming-handler@0.2, wasi:http/handler@0.3 or handle-request (shoal:service/my-service)";

/// What a component exports one of so that messages and points in time can call it, for an error's text.
pub const HANDLES_EVENTS: &str =
    "shoal:service/message-handler, handle-request (shoal:service/my-service) or wasi:cli/run";

impl World {
    /// All of them, in the order in which they are listed to people.
    pub const ALL: [Self; 5] = [
        Self::HttpProxy,
        Self::HttpService,
        Self::MyService,
        Self::MessageService,
        Self::Command,
    ];

    /// The name of its export, without a version.
    pub const fn export(self) -> &'static str {
        match self {
            Self::HttpProxy => "wasi:http/incoming-handler",
            Self::HttpService => "wasi:http/handler",
            Self::MyService => "handle-request",
            Self::MessageService => "shoal:service/message-handler",
            Self::Command => "wasi:cli/run",
        }
    }
}

impl Description {
    /// The worlds that its exports fit.
    pub fn worlds(&self) -> impl Iterator<Item = World> {
        World::ALL.into_iter().filter(|world| self.fits(*world))
    }

    /// Whether it has the export of a world.
    pub fn fits(&self, world: World) -> bool {
        self.entry(world).is_some()
    }

    /// The export of a world: the newest one, where it has several versions of it.
    pub fn entry(&self, world: World) -> Option<&Export> {
        let exports = self.exports.iter();
        let versions = exports.filter(|export| unversioned(&export.name) == world.export());
        versions.max_by_key(|export| age(export))
    }

    /// The world as which requests call it: the first that fits, newer ones before older ones. None where requests can't call it.
    pub fn request_world(&self) -> Option<World> {
        let worlds = [World::HttpService, World::HttpProxy, World::MyService];
        worlds.into_iter().find(|world| self.fits(*world))
    }

    /// The world as which messages and points in time call it: the first that fits. None where they can't call it.
    pub fn event_world(&self) -> Option<World> {
        let worlds = [World::MessageService, World::MyService, World::Command];
        worlds.into_iter().find(|world| self.fits(*world))
    }

    /// Whether its export of this world is of WASI 0.3.
    pub fn is_wasi3(&self, world: World) -> bool {
        let version = self.entry(world).and_then(Export::version);
        version.is_some_and(|version| version.starts_with("0.3"))
    }

    /// The interfaces that it exports for other services: those that no host calls.
    pub fn own_exports(&self) -> impl Iterator<Item = &Export> {
        self.exports.iter().filter(|export| {
            let name = unversioned(&export.name);
            let hosts = name.starts_with("wasi:") || World::ALL.iter().any(|world| world.export() == name);
            export.kind == ItemKind::Interface && name.contains('/') && !hosts
        })
    }

    /// The names of its exports, for an error's text.
    pub fn export_names(&self) -> String {
        if self.exports.is_empty() {
            return "nothing".to_owned();
        }
        let names: Vec<_> = self.exports.iter().map(|it| it.name.as_str()).collect();
        names.join(", ")
    }
}

/// Orders the versions of one export. Releases are newer than all pre-releases, which no host calls.
fn age(export: &Export) -> Option<(bool, Version)> {
    let version = Version::parse(export.version()?).ok()?;
    Some((version.pre.is_empty(), version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(exports: &[&str]) -> Description {
        let exports = exports.iter().map(|name| Export {
            name: (*name).to_owned(),
            kind: if name.contains('/') {
                ItemKind::Interface
            } else {
                ItemKind::Function
            },
        });
        Description {
            exports: exports.collect(),
            ..Description::default()
        }
    }

    #[test]
    fn each_export_tells_its_world_and_what_can_call_it() {
        use World::*;
        let table: [(&str, World, Option<World>, Option<World>); 6] = [
            (
                "wasi:http/incoming-handler@0.2.6",
                HttpProxy,
                Some(HttpProxy),
                None,
            ),
            ("wasi:http/handler@0.3.0", HttpService, Some(HttpService), None),
            ("handle-request", MyService, Some(MyService), Some(MyService)),
            (
                "shoal:service/message-handler@0.1.0",
                MessageService,
                None,
                Some(MessageService),
            ),
            ("wasi:cli/run@0.2.6", Command, None, Some(Command)),
            ("wasi:cli/run@0.3.0", Command, None, Some(Command)),
        ];
        for (export, world, request, event) in table {
            let description = description(&[export]);
            assert_eq!(description.worlds().collect::<Vec<_>>(), [world], "{export}");
            assert_eq!(description.request_world(), request, "{export}");
            assert_eq!(description.event_world(), event, "{export}");
            assert_eq!(description.own_exports().count(), 0, "{export}");
            assert_eq!(description.is_wasi3(world), export.contains("@0.3"), "{export}");
        }
        assert_eq!(description(&["wasi:http/other@0.2.0"]).worlds().count(), 0);
    }

    #[test]
    fn of_several_worlds_the_most_specific_one_is_called() {
        let both = description(&["wasi:cli/run@0.2.6", "handle-request", "wasi:http/handler@0.3.0"]);
        assert_eq!(both.request_world(), Some(World::HttpService));
        assert_eq!(both.event_world(), Some(World::MyService));
        assert_eq!(
            both.export_names(),
            "wasi:cli/run@0.2.6, handle-request, wasi:http/handler@0.3.0"
        );
        assert_eq!(description(&[]).export_names(), "nothing");
    }

    #[test]
    fn of_several_versions_the_newest_is_called() {
        let entry = |exports: &[&str], world| description(exports).entry(world).map(|it| it.name.clone());
        let newest = Some("wasi:cli/run@0.3.0".to_owned());
        for exports in [
            ["wasi:cli/run@0.2.12", "wasi:cli/run@0.3.0"],
            ["wasi:cli/run@0.3.0", "wasi:cli/run@0.2.12"],
            ["wasi:cli/run@0.3.0", "wasi:cli/run@0.3.1-rc-2026-08-01"],
        ] {
            assert_eq!(entry(&exports, World::Command), newest, "{exports:?}");
            assert!(description(&exports).is_wasi3(World::Command), "{exports:?}");
            assert_eq!(description(&exports).worlds().count(), 1, "{exports:?}");
        }
        let early = ["wasi:cli/run@0.3.0-rc-2026-03-15", "wasi:cli/run@0.2.6"];
        assert!(!description(&early).is_wasi3(World::Command));
        let both = ["wasi:http/incoming-handler@0.2.6", "wasi:http/handler@0.3.0"];
        assert_eq!(description(&both).request_world(), Some(World::HttpService));
    }

    #[test]
    fn what_no_host_calls_is_for_other_services() {
        let shop = description(&["wasi:http/handler@0.3.0", "acme:shop/orders@1.0.0", "helper"]);
        let own: Vec<_> = shop.own_exports().map(|it| it.name.as_str()).collect();
        assert_eq!(own, ["acme:shop/orders@1.0.0"]);
    }
}
