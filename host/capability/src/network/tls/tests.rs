//! What rules are made of, and which one applies to a host.

use super::*;

fn own(name: &str) -> (String, String) {
    let own = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    (own.cert.pem(), own.signing_key.serialize_pem())
}

fn hosts(hosts: &[&str]) -> Vec<String> {
    hosts.iter().map(|it| (*it).to_owned()).collect()
}

fn add(authorities: Option<&str>, certificate: Option<(&str, &str)>) -> Result<(), TlsError> {
    let certificate = certificate.map(|(chain, key)| ClientCertificate {
        chain: chain.as_bytes(),
        key: key.as_bytes(),
    });
    let authorities = authorities.map(str::as_bytes);
    Tls::default().add(&hosts(&["a.example"]), authorities, certificate)
}

#[test]
fn what_is_wrong_with_a_rule_is_told_with_its_part() {
    let ((certificate, key), (other, _)) = (own("a"), own("b"));
    add(None, Some((&certificate, &key))).unwrap();
    add(Some(&(certificate.clone() + &other)), None).unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let table = [
        (
            add(Some("nothing"), None),
            "Authorities(Missing(\"certificate\"))",
        ),
        (add(Some(&key), None), "Authorities(Missing(\"certificate\"))"),
        (add(Some(broken), None), "Authorities(Unusable("),
        (
            add(None, Some(("", &key))),
            "Certificate(Missing(\"certificate\"))",
        ),
        (
            add(None, Some((&certificate, &certificate))),
            "Key(Missing(\"private key\"))",
        ),
        (add(None, Some((&certificate, no_key))), "Key(Unusable("),
        (add(None, Some((&other, &key))), "Pair("),
    ];
    for (added, expected) in table {
        let error = format!("{:?}", added.unwrap_err());
        assert!(error.starts_with(expected), "{expected}: {error}");
    }
    let error = Tls::default().add(&hosts(&["a.example", "a.*"]), None, None);
    assert!(matches!(error, Err(TlsError::Host(1, _))), "{error:?}");
}

#[test]
fn the_first_rule_that_names_a_host_applies() {
    let mut tls = Tls::default();
    for rule in [&["a.example", "10.0.0.0/8"][..], &["*.example"]] {
        tls.add(&hosts(rule), None, None).unwrap();
    }
    let config = |host: &str| tls.config(host, Protocol::Negotiated);
    let same = |one: &str, two: &str| Arc::ptr_eq(&config(one), &config(two));
    assert!(same("a.example", "10.1.2.3") && same("a.example", "A.example"));
    assert!(same("b.example", "c.d.example") && !same("a.example", "b.example"));
    assert!(same("other.test", "11.1.2.3") && !same("other.test", "b.example"));
    let another = Tls::default().config("other.test", Protocol::Negotiated);
    assert!(!Arc::ptr_eq(&config("other.test"), &another), "of each component");
}

#[test]
fn grpc_offers_http_2_alone() {
    let tls = Tls::default();
    let offers = |protocol| tls.config("a", protocol).alpn_protocols.clone();
    assert_eq!(offers(Protocol::Http2), [b"h2".to_vec()]);
    assert_eq!(
        offers(Protocol::Negotiated),
        [b"h2".to_vec(), b"http/1.1".to_vec()]
    );
}

#[test]
fn debug_tells_hosts_and_no_secrets() {
    let (certificate, key) = own("a");
    let mut tls = Tls::default();
    let pair = ClientCertificate {
        chain: certificate.as_bytes(),
        key: key.as_bytes(),
    };
    tls.add(&hosts(&["a.example"]), None, Some(pair)).unwrap();
    let text = format!("{tls:?}");
    assert!(text.contains("a.example") && !text.contains("Private"), "{text}");
}
