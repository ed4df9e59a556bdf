import shutil
shutil.copy('wip/4-tls/api_tls.rs','api/src/tls.rs')
p='api/src/lib.rs'; s=open(p).read()
s=s.replace("mod status;\nmod trigger;","mod status;\nmod tls;\nmod trigger;")
s=s.replace("pub use trigger::{","pub use tls::{CertificateAuthorities, ClientCertificate, TLS_CERTIFICATE, TLS_KEY, TlsRule};\npub use trigger::{")
open(p,'w').write(s)
p='api/src/capability.rs'; s=open(p).read()
s=s.replace('''    pub outbound: Vec<OutboundRule>,
}
''','''    pub outbound: Vec<OutboundRule>,
    /// How HTTPS is spoken with some of the hosts: private certificate authorities, client certificates. It grants no connection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub tls: Vec<TlsRule>,
}
''',1)
s=s.replace("use crate::{Duration, Ports, rules};","use crate::{Duration, Ports, TlsRule, rules};")
open(p,'w').write(s)
p='api/src/schema.rs'; s=open(p).read()
s=s.replace('''/// A WIT interface, with''','''/// A host as rules write it. Whether it is one, its reader says.
pub(crate) const HOSTS: &str = "^[-*.:/0-9a-z]+$";

/// A WIT interface, with''')
open(p,'w').write(s)
p='api/src/validate/words.rs'; s=open(p).read()
s=s.replace("    CRON, ENV_NAME, HTTP_PATH,","    CRON, ENV_NAME, HOSTS, HTTP_PATH,")
s=s.replace('''        KEY => "letters,''','''        HOSTS => "a host: a name, *.name, *, an IP address, or a range such as 10.0.0.0/8",
        KEY => "letters,''')
open(p,'w').write(s)
p='api/src/reference.rs'; s=open(p).read()
s=s.replace('''pub fn references<'a>(
    component: &'a Component,
    spec: &'a WasmServiceSpec,
) -> Vec<(ReferenceKind, &'a KeyRef)> {''','''pub fn references(component: &Component, spec: &WasmServiceSpec) -> Vec<(ReferenceKind, KeyRef)> {''')
s=s.replace('''    let secrets = secrets.map(|it| (ReferenceKind::Secret, &it.secret_key_ref));
    config
        .chain(redis)
        .filter_map(ValueSource::key)
        .chain(secrets)
        .collect()''','''    let secrets = secrets.map(|it| (ReferenceKind::Secret, &it.secret_key_ref));
    let named = config.chain(redis).filter_map(ValueSource::key).chain(secrets);
    let tls = component.capabilities.network.iter().flat_map(|it| &it.tls);
    named
        .map(|(kind, key)| (kind, key.clone()))
        .chain(tls.flat_map(TlsRule::references))
        .collect()''')
s=s.replace("use crate::{Component, KeyRef, ValueSource, WasmServiceSpec};","use crate::{Component, KeyRef, TlsRule, ValueSource, WasmServiceSpec};")
open(p,'w').write(s)
p='api/src/pod/carried.rs'; s=open(p).read()
s=s.replace('''(variable_name(kind, &at.name, &at.key), (kind, at.clone())));''','''(variable_name(kind, &at.name, &at.key), (kind, at)));''')
open(p,'w').write(s)
