//! `shoal:service/secrets`: the values that the manifest lists under `capabilities.secrets`.

use crate::Grants;
use wasmtime::component::HasData;

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package shoal:host;
            world secrets {
                import shoal:service/secrets@0.1.0;
            }
        ",
        imports: { default: trappable },
    });

    pub(crate) use self::shoal::service::secrets;
}

pub(crate) struct HasSecrets;

impl HasData for HasSecrets {
    type Data<'a> = Secrets<'a>;
}

pub(crate) struct Secrets<'a>(pub(crate) &'a Grants);

impl bindings::secrets::Host for Secrets<'_> {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.0.secrets.get(&name).map(|secret| secret.expose().to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::bindings::secrets::Host as _;
    use super::*;
    use crate::{GrantsBuilder, Secret};

    #[test]
    fn a_component_sees_the_secrets_granted_and_no_other() {
        let secrets = [("token".to_owned(), Secret::new(*b"s3cret"))].into();
        let grants = GrantsBuilder {
            secrets,
            ..GrantsBuilder::default()
        }
        .build()
        .expect("grants");
        assert_eq!(
            Secrets(&grants).get("token".into()).expect("no trap"),
            Some(b"s3cret".to_vec())
        );
        assert_eq!(Secrets(&grants).get("other".into()).expect("no trap"), None);
        assert!(!format!("{grants:?}").contains("s3cret"));
    }
}
