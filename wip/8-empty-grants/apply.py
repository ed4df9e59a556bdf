import re,shutil
shutil.copy('wip/8-empty-grants/grant_list.rs','api/src/grant_list.rs')
p='api/src/lib.rs'; s=open(p).read()
s=s.replace("mod duration;\n","mod duration;\nmod grant_list;\n").replace("pub use duration::{Duration, DurationError};\n","pub use duration::{Duration, DurationError};\npub use grant_list::GrantList;\n")
open(p,'w').write(s)
p='api/src/capability.rs'; s=open(p).read()
for f,t in [("key_value","KeyValueGrant"),("config","ConfigGrant"),("secrets","SecretGrant"),("messaging","MessagingGrant")]:
    i=s.index(f"    pub {f}: Vec<{t}>,")
    j=s.rindex('skip_serializing_if = "Vec::is_empty"',0,i)
    s=s[:j]+'skip_serializing_if = "GrantList::is_absent"'+s[j+len('skip_serializing_if = "Vec::is_empty"'):]
    s=s.replace(f"    pub {f}: Vec<{t}>,",f"    pub {f}: GrantList<{t}>,")
s=re.sub(r"use crate::\{Duration, ", "use crate::{Duration, GrantList, ", s)
s=s.replace('''/// What a component may do beyond computing. Absent means denied; a component that is linked into another inherits
/// none of its grants.''','''/// What a component may do beyond computing. Absent means denied; an empty list lets it import the interface, and gives it nothing. A
/// component that is linked into another inherits none of its grants.''')
open(p,'w').write(s)
p='host/admission/src/admission.rs'; s=open(p).read()
for a,b in [("!granted.key_value.is_empty()","granted.key_value.is_granted()"),("!granted.secrets.is_empty()","granted.secrets.is_granted()"),("!granted.config.is_empty()","granted.config.is_granted()"),("!granted.messaging.is_empty()","granted.messaging.is_granted()")]:
    assert a in s,a
    s=s.replace(a,b)
open(p,'w').write(s)
