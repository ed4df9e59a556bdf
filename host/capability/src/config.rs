//! `wasi:config/store`: the values that the manifest lists under `capabilities.config`.

use crate::Grants;
use wasmtime::component::HasData;

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "wit/config",
        world: "wasi:config/imports",
        imports: { default: trappable },
    });

    pub(crate) use self::wasi::config::store;
}

use bindings::store;

pub(crate) struct HasConfig;

impl HasData for HasConfig {
    type Data<'a> = Config<'a>;
}

pub(crate) struct Config<'a>(pub(crate) &'a Grants);

impl store::Host for Config<'_> {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, store::Error>> {
        Ok(Ok(self.0.config.get(&key).cloned()))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, store::Error>> {
        Ok(Ok(self
            .0
            .config
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::store::Host as _;
    use super::*;
    use crate::GrantsBuilder;

    #[test]
    fn a_component_sees_what_was_granted() {
        let config = [("mode".to_owned(), "fast".to_owned())].into();
        let grants = GrantsBuilder {
            config,
            ..GrantsBuilder::default()
        }
        .build()
        .expect("grants");
        let mut config = Config(&grants);
        let value = config.get("mode".into()).expect("no trap").expect("no error");
        assert_eq!(value.as_deref(), Some("fast"));
        assert_eq!(
            config.get("other".into()).expect("no trap").expect("no error"),
            None
        );
        let all = config.get_all().expect("no trap").expect("no error");
        assert_eq!(all, [("mode".to_owned(), "fast".to_owned())]);
    }
}
