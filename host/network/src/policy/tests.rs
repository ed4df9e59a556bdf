//! Every kind of rule against what it grants and what it does not.

use super::*;

fn rule(host: &str, ports: &[u16]) -> OutboundRule {
    OutboundRule {
        host: host.to_owned(),
        ports: ports.iter().copied().map(Ports::one).collect(),
        ..OutboundRule::default()
    }
}

fn policy(rules: &[OutboundRule]) -> Policy {
    Policy::new(&NetworkGrant {
        outbound: rules.to_vec(),
        ..NetworkGrant::default()
    })
    .expect("good rules")
}

fn name(text: &str) -> HostName {
    HostName::parse(text).expect(text)
}

fn tcp(policy: &Policy, names: &[&str], ip: &str, port: u16) -> Result<(), Refusal> {
    let names: Vec<_> = names.iter().map(|text| name(text)).collect();
    policy.connect(&names, ip.parse().expect(ip), Some((port, Protocol::Tcp)))
}

#[test]
fn no_rule_grants_nothing() {
    let none = policy(&[]);
    assert!(none.resolve(&name("example.com"), None).is_err());
    assert!(tcp(&none, &[], "1.1.1.1", 443).is_err());
    assert!(tcp(&none, &["example.com"], "1.1.1.1", 443).is_err());
    assert!(!none.grants(Protocol::Tcp) && !none.grants(Protocol::Udp));
}

#[test]
fn a_socket_is_granted_where_some_rule_has_its_protocol() {
    let tcp_alone = policy(&[rule("api.example.com", &[443])]);
    assert_eq!(tcp_alone.socket(Protocol::Tcp), Ok(()));
    assert_eq!(
        tcp_alone
            .socket(Protocol::Udp)
            .expect_err("no rule has UDP")
            .to_string(),
        "UDP is not granted to any address; to grant it: capabilities.network: {outbound: [{host: HOST, ports: [PORT], protocols: [UDP]}]}"
    );
    assert!(policy(&[]).socket(Protocol::Tcp).is_err());
}

#[test]
fn a_name_grants_its_addresses_at_its_ports() {
    let policy = policy(&[rule("api.example.com", &[443, 8443])]);
    assert_eq!(policy.resolve(&name("API.example.com."), None), Ok(()));
    assert_eq!(tcp(&policy, &["api.example.com"], "1.1.1.1", 443), Ok(()));
    assert_eq!(
        tcp(&policy, &["api.example.com"], "2606:4700::1111", 8443),
        Ok(())
    );
    assert_eq!(
        tcp(&policy, &["other.example", "api.example.com"], "1.1.1.1", 443),
        Ok(())
    );
    assert_eq!(
        tcp(&policy, &["api.example.com"], "1.1.1.1", 80)
            .expect_err("port")
            .to_string(),
        "api.example.com port 80 (TCP) is not granted; to grant it: capabilities.network: {outbound: [{host: api.example.com, \
         ports: [80]}]}"
    );
    assert!(tcp(&policy, &["www.api.example.com"], "1.1.1.1", 443).is_err());
    assert!(tcp(&policy, &["example.com"], "1.1.1.1", 443).is_err());
    assert!(policy.resolve(&name("example.com"), None).is_err());
    let https = Some((443, Protocol::Tcp));
    assert_eq!(policy.resolve(&name("api.example.com"), https), Ok(()));
    assert!(
        policy
            .resolve(&name("api.example.com"), Some((22, Protocol::Tcp)))
            .is_err()
    );
    assert!(
        tcp(&policy, &[], "1.1.1.1", 443).is_err(),
        "an address that no granted name was resolved to"
    );
}

#[test]
fn a_wildcard_grants_what_is_below_and_not_the_name_itself() {
    let policy = policy(&[rule("*.example.com", &[443])]);
    assert_eq!(policy.resolve(&name("a.example.com"), None), Ok(()));
    assert_eq!(policy.resolve(&name("b.a.example.com"), None), Ok(()));
    assert!(policy.resolve(&name("example.com"), None).is_err());
    assert!(policy.resolve(&name("evilexample.com"), None).is_err());
    assert!(policy.resolve(&name("a.example.com.evil.org"), None).is_err());
    assert_eq!(tcp(&policy, &["a.example.com"], "1.1.1.1", 443), Ok(()));
}

#[test]
fn a_name_that_resolves_to_a_private_address_is_refused() {
    let policy = policy(&[rule("api.example.com", &[80])]);
    for ip in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "::1",
        "fd00::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ] {
        let refused = tcp(&policy, &["api.example.com"], ip, 80).expect_err(ip);
        assert!(matches!(refused, Refusal::Private { .. }), "{ip}: {refused}");
        assert!(
            policy
                .answer(&name("api.example.com"), ip.parse().expect(ip))
                .is_err(),
            "{ip}"
        );
    }
    assert_eq!(
        tcp(&policy, &["api.example.com"], "10.0.0.1", 80)
            .expect_err("private")
            .to_string(),
        "10.0.0.1 port 80 (TCP) is a private address; to grant it, name it under capabilities.network.outbound, or set \
         allowPrivate: true in the rule for the name"
    );
}

#[test]
fn allow_private_is_for_its_rule_alone() {
    let private = OutboundRule {
        allow_private: true,
        ..rule("db.internal", &[5432])
    };
    let policy = policy(&[private, rule("api.example.com", &[5432])]);
    assert_eq!(tcp(&policy, &["db.internal"], "10.0.0.1", 5432), Ok(()));
    assert_eq!(tcp(&policy, &["db.internal"], "::ffff:10.0.0.1", 5432), Ok(()));
    assert_eq!(tcp(&policy, &["db.internal"], "127.0.0.1", 5432), Ok(()));
    assert!(tcp(&policy, &["db.internal"], "10.0.0.1", 80).is_err());
    assert!(tcp(&policy, &["api.example.com"], "10.0.0.1", 5432).is_err());
    assert!(tcp(&policy, &[], "10.0.0.1", 5432).is_err());
}

#[test]
fn what_is_no_host_is_refused_whatever_the_rules_say() {
    let any = OutboundRule {
        allow_private: true,
        ..rule("0.0.0.0/0", &[80])
    };
    let any_v6 = OutboundRule {
        allow_private: true,
        ..rule("::/0", &[80])
    };
    let named = OutboundRule {
        allow_private: true,
        ..rule("a.example", &[80])
    };
    let policy = policy(&[any, any_v6, named]);
    for ip in [
        "0.0.0.0",
        "::",
        "::ffff:0.0.0.0",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "240.0.0.1",
        "0.0.0.1",
    ] {
        assert!(
            matches!(tcp(&policy, &["a.example"], ip, 80), Err(Refusal::Never { .. })),
            "{ip}"
        );
    }
}

#[test]
fn an_address_or_a_range_grants_what_it_spells_out() {
    let policy = policy(&[
        rule("127.0.0.1", &[6379]),
        rule("10.0.0.0/8", &[80]),
        rule("fd00::/8", &[80]),
        rule("1.1.1.1", &[53]),
    ]);
    assert_eq!(tcp(&policy, &[], "127.0.0.1", 6379), Ok(()));
    assert_eq!(tcp(&policy, &[], "::ffff:127.0.0.1", 6379), Ok(()));
    assert_eq!(tcp(&policy, &[], "10.9.8.7", 80), Ok(()));
    assert_eq!(tcp(&policy, &[], "fd12::1", 80), Ok(()));
    assert_eq!(tcp(&policy, &[], "1.1.1.1", 53), Ok(()));
    assert!(tcp(&policy, &[], "127.0.0.2", 6379).is_err());
    assert!(tcp(&policy, &[], "127.0.0.1", 80).is_err());
    assert!(tcp(&policy, &[], "11.0.0.1", 80).is_err());
    assert!(
        policy.resolve(&name("localhost"), None).is_err(),
        "a range is no name"
    );
}

#[test]
fn a_wide_range_does_not_name_the_private_ones_in_it() {
    let policy = policy(&[rule("0.0.0.0/0", &[80]), rule("::/0", &[80])]);
    assert_eq!(tcp(&policy, &[], "1.1.1.1", 80), Ok(()));
    assert_eq!(tcp(&policy, &[], "2606:4700::1111", 80), Ok(()));
    for ip in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "fd00::1",
        "64:ff9b::a00:1",
    ] {
        assert!(
            matches!(tcp(&policy, &[], ip, 80), Err(Refusal::Private { .. })),
            "{ip}"
        );
    }
}

#[test]
fn a_star_is_any_host_that_is_public() {
    let private = OutboundRule {
        allow_private: true,
        ..rule("*", &[8080])
    };
    let policy = policy(&[rule("*", &[443]), private]);
    assert_eq!(
        policy.resolve(&name("api.example.com"), Some((443, Protocol::Tcp))),
        Ok(())
    );
    assert!(
        policy
            .resolve(&name("api.example.com"), Some((80, Protocol::Tcp)))
            .is_err()
    );
    assert_eq!(tcp(&policy, &["api.example.com"], "1.1.1.1", 443), Ok(()));
    assert_eq!(tcp(&policy, &[], "2606:4700::1111", 443), Ok(()));
    for ip in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"] {
        assert!(
            matches!(tcp(&policy, &[], ip, 443), Err(Refusal::Private { .. })),
            "{ip}"
        );
        assert!(tcp(&policy, &["a.example"], ip, 443).is_err(), "{ip}");
        assert_eq!(tcp(&policy, &[], ip, 8080), Ok(()), "{ip}");
    }
    assert!(matches!(
        tcp(&policy, &[], "224.0.0.1", 8080),
        Err(Refusal::Never { .. })
    ));
}

#[test]
fn a_range_of_ports_grants_each_in_it() {
    let ranges = OutboundRule {
        ports: vec!["8000-8002".parse().expect("a range"), Ports::one(443)],
        ..rule("a.example", &[])
    };
    let policy = policy(std::slice::from_ref(&ranges));
    for (port, granted) in [
        (7999, false),
        (8000, true),
        (8002, true),
        (8003, false),
        (443, true),
    ] {
        assert_eq!(
            tcp(&policy, &["a.example"], "1.1.1.1", port).is_ok(),
            granted,
            "{port}"
        );
    }
    let backwards = OutboundRule {
        ports: vec!["9-8".parse().expect("a range")],
        ..ranges
    };
    let grant = NetworkGrant {
        outbound: vec![backwards],
        ..NetworkGrant::default()
    };
    assert_eq!(
        Policy::new(&grant).expect_err("no port").to_string(),
        "capabilities.network.outbound[0].ports: \"9-8\" begins above its end, so it has no port"
    );
}

#[test]
fn rules_add_up() {
    let policy = policy(&[rule("a.example", &[80]), rule("10.0.0.5", &[80])]);
    assert_eq!(
        tcp(&policy, &["a.example"], "10.0.0.5", 80),
        Ok(()),
        "the name is granted, and so is the private address"
    );
    assert!(tcp(&policy, &["a.example"], "10.0.0.6", 80).is_err());
}

#[test]
fn protocols_are_told_apart() {
    let udp = OutboundRule {
        protocols: vec![Protocol::Udp],
        ..rule("1.1.1.1", &[53])
    };
    let policy = policy(&[udp, rule("1.1.1.1", &[443])]);
    let ip = "1.1.1.1".parse().expect("an address");
    assert_eq!(policy.connect(&[], ip, Some((53, Protocol::Udp))), Ok(()));
    assert_eq!(policy.connect(&[], ip, Some((443, Protocol::Tcp))), Ok(()));
    assert!(policy.connect(&[], ip, Some((53, Protocol::Tcp))).is_err());
    let refused = policy
        .connect(&[], ip, Some((443, Protocol::Udp)))
        .expect_err("UDP");
    assert!(
        refused
            .to_string()
            .ends_with("{outbound: [{host: 1.1.1.1, ports: [443], protocols: [UDP]}]}"),
        "{refused}"
    );
    assert!(policy.grants(Protocol::Udp));
}

#[test]
fn the_line_for_an_ipv6_address_is_good_yaml() {
    let refused = tcp(&policy(&[]), &[], "2606:4700::1111", 443)
        .expect_err("not granted")
        .to_string();
    assert!(
        refused.ends_with("{outbound: [{host: \"2606:4700::1111\", ports: [443]}]}"),
        "{refused}"
    );
}

#[test]
fn bad_hosts_are_refused_by_their_place() {
    for host in [
        "",
        "**",
        "*.",
        "*.*.com",
        "a b",
        "http://a",
        "a:80",
        "10.0.0.0/40",
        "127.1",
        "300.1.1.1",
        "-a",
    ] {
        let grant = NetworkGrant {
            outbound: vec![rule("ok.example", &[1]), rule(host, &[1])],
            ..NetworkGrant::default()
        };
        let error = Policy::new(&grant).expect_err(host).to_string();
        assert!(
            error.starts_with("capabilities.network.outbound[1].host: "),
            "{host}: {error}"
        );
    }
    for host in ["224.0.0.1", "0.0.0.0", "255.255.255.255", "ff02::/16", "::"] {
        let error = Policy::new(&NetworkGrant {
            outbound: vec![rule(host, &[1])],
            ..NetworkGrant::default()
        })
        .expect_err(host)
        .to_string();
        assert!(error.contains("no address of a single host"), "{host}: {error}");
    }
}
