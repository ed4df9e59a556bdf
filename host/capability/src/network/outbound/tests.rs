//! What an instance may learn, where it may connect, how often: against a dialer that answers from a table and counts.

use super::super::{NetworkOptions, Tls};
use super::*;
use async_trait::async_trait;
use shoal_api::{NetworkGrant, OutboundRule};
use tokio::net::{TcpListener, TcpStream};

/// Resolves from a table; connects every address to one listener.
#[derive(Default)]
struct Table {
    names: Mutex<HashMap<String, Vec<IpAddr>>>,
    listener: Option<SocketAddr>,
    asked: Mutex<Vec<String>>,
    connected: Mutex<Vec<SocketAddr>>,
}

#[async_trait]
impl Dialer for Table {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().expect("lock").push(name.to_owned());
        self.names
            .lock()
            .expect("lock")
            .get(name)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.connected.lock().expect("lock").push(address);
        TcpStream::connect(self.listener.ok_or(io::ErrorKind::ConnectionRefused)?).await
    }
}

impl Table {
    fn say(&self, name: &str, ips: &[&str]) {
        let ips = ips.iter().map(|ip| ip.parse().expect("an address")).collect();
        self.names.lock().expect("lock").insert(name.to_owned(), ips);
    }
}

fn rule(host: &str, ports: &[u16]) -> OutboundRule {
    OutboundRule {
        host: host.to_owned(),
        ports: ports.iter().map(|port| (*port).into()).collect(),
        ..OutboundRule::default()
    }
}

fn outbound(table: &Arc<Table>, rules: &[OutboundRule], connections: u32) -> Arc<Outbound> {
    let policy = Policy::new(&NetworkGrant {
        outbound: rules.to_vec(),
        ..NetworkGrant::default()
    })
    .expect("rules");
    let options = NetworkOptions {
        policy,
        dialer: Arc::clone(table) as _,
        connections,
        neighbours: None,
        tls: Tls::default(),
    };
    Arc::new(Outbound::new(
        Arc::new(options.build(Arc::new(crate::report::Report::new("test/web")))),
        RequestId(1),
    ))
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[tokio::test]
async fn only_names_that_a_rule_grants_are_asked_for() {
    let table = Arc::new(Table::default());
    table.say("api.example.com", &["1.1.1.1"]);
    table.say("evil.example", &["1.1.1.1"]);
    let outbound = outbound(&table, &[rule("api.example.com", &[443])], 4);
    let answer = outbound
        .clone()
        .resolve("API.example.com.".into())
        .await
        .expect("granted");
    assert_eq!(answer, ["1.1.1.1".parse::<IpAddr>().expect("an address")]);
    for name in ["evil.example", "data.evil.example", "127.1", "a b", ""] {
        assert!(
            matches!(
                outbound.clone().resolve(name.into()).await,
                Err(Failure::Refused(_))
            ),
            "{name}"
        );
    }
    assert_eq!(*table.asked.lock().expect("lock"), ["api.example.com"]);
}

#[tokio::test]
async fn an_address_is_connectable_once_a_granted_name_led_to_it() {
    let table = Arc::new(Table::default());
    table.say("api.example.com", &["1.1.1.1", "1.0.0.1"]);
    let rules = [rule("api.example.com", &[443])];
    let first = outbound(&table, &rules, 4);
    assert!(first.check(address("1.1.1.1:443"), Protocol::Tcp).is_err());
    first
        .clone()
        .resolve("api.example.com".into())
        .await
        .expect("granted");
    assert_eq!(first.check(address("1.1.1.1:443"), Protocol::Tcp), Ok(()));
    assert_eq!(
        first.check(address("[::ffff:1.0.0.1]:443"), Protocol::Tcp),
        Ok(())
    );
    assert!(
        first.check(address("1.1.1.1:80"), Protocol::Tcp).is_err(),
        "another port"
    );
    assert!(
        first.check(address("1.1.1.1:443"), Protocol::Udp).is_err(),
        "another protocol"
    );
    assert!(
        first.check(address("1.1.1.2:443"), Protocol::Tcp).is_err(),
        "another address"
    );
    let second = outbound(&table, &rules, 4);
    assert!(
        second.check(address("1.1.1.1:443"), Protocol::Tcp).is_err(),
        "another instance learned nothing"
    );
}

#[tokio::test]
async fn a_name_that_comes_to_point_inside_is_not_followed() {
    let table = Arc::new(Table::default());
    table.say("rebind.example", &["1.1.1.1"]);
    let outbound = outbound(&table, &[rule("rebind.example", &[80])], 4);
    outbound
        .clone()
        .resolve("rebind.example".into())
        .await
        .expect("public at first");
    table.say("rebind.example", &["169.254.169.254", "127.0.0.1"]);
    let refused = outbound
        .clone()
        .resolve("rebind.example".into())
        .await
        .expect_err("private now")
        .to_string();
    assert!(refused.contains("allowPrivate: true"), "{refused}");
    assert!(
        outbound
            .check(address("169.254.169.254:80"), Protocol::Tcp)
            .is_err()
    );
    assert!(outbound.clone().connect("rebind.example", 80).await.is_err());
    assert!(table.connected.lock().expect("lock").is_empty());
    // Mixed answers lose the private ones alone.
    table.say("rebind.example", &["10.0.0.1", "1.0.0.1", "0.0.0.0"]);
    let answer = outbound
        .clone()
        .resolve("rebind.example".into())
        .await
        .expect("one is public");
    assert_eq!(answer, ["1.0.0.1".parse::<IpAddr>().expect("an address")]);
}

#[tokio::test]
async fn connecting_tries_each_address_that_may_be_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let table = Arc::new(Table {
        listener: listener.local_addr().ok(),
        ..Table::default()
    });
    table.say("api.example.com", &["10.0.0.1", "1.1.1.1"]);
    let outbound = outbound(
        &table,
        &[rule("api.example.com", &[443]), rule("10.0.0.0/8", &[80])],
        4,
    );
    outbound
        .clone()
        .connect("api.example.com", 443)
        .await
        .expect("connected");
    assert_eq!(
        *table.connected.lock().expect("lock"),
        [address("1.1.1.1:443")],
        "10.0.0.1 is granted at port 80 only"
    );
    let refused = outbound
        .clone()
        .connect("api.example.com", 22)
        .await
        .expect_err("a port that is not granted");
    assert!(
        refused
            .to_string()
            .contains("{host: api.example.com, ports: [22]}"),
        "{refused}"
    );
    outbound
        .clone()
        .connect("10.9.9.9", 80)
        .await
        .expect("an address that is granted as such");
    assert!(outbound.clone().connect("10.9.9.9", 443).await.is_err());
    assert_eq!(table.connected.lock().expect("lock").len(), 2);
}

#[tokio::test]
async fn open_connections_are_counted_and_the_limit_is_named() {
    let outbound = outbound(&Arc::new(Table::default()), &[rule("a.example", &[1])], 2);
    let first = outbound.permit().expect("one");
    let _second = outbound.permit().expect("two");
    let refused = outbound.permit().err().expect("three are too many").to_string();
    assert_eq!(
        refused,
        "limits.outboundConnections: the instance has 2 connections open, and no more are allowed"
    );
    assert!(
        matches!(
            outbound.clone().resolve("a.example".into()).await,
            Err(Failure::TooMany(2))
        ),
        "questions count"
    );
    drop(first);
    let _third = outbound.permit().expect("a place is free again");
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let table = Arc::new(Table::default());
    let ips: Vec<String> = (0..MAX_LEARNED + 50)
        .map(|n| format!("1.1.{}.{}", n / 256, n % 256))
        .collect();
    table.say(
        "many.example",
        &ips.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let outbound = outbound(&table, &[rule("many.example", &[80])], 4);
    outbound
        .clone()
        .resolve("many.example".into())
        .await
        .expect("granted");
    assert_eq!(outbound.learned.lock().expect("lock").len(), MAX_LEARNED);
}

#[tokio::test]
async fn the_local_dialer_resolves_and_connects() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("an address").port();
    let allowed = OutboundRule {
        allow_private: true,
        ..rule("localhost", &[port])
    };
    let policy = Policy::new(&NetworkGrant {
        outbound: vec![allowed],
        ..NetworkGrant::default()
    })
    .expect("rules");
    let network = NetworkOptions::local(policy, 1).build(Arc::new(crate::report::Report::new("test/web")));
    let outbound = Arc::new(Outbound::new(Arc::new(network), RequestId(1)));
    outbound
        .clone()
        .connect("localhost", port)
        .await
        .expect("connected");
    outbound
        .clone()
        .connect("127.0.0.1", port)
        .await
        .expect("the name led to it");
    assert!(outbound.clone().connect("127.0.0.2", port).await.is_err());
}
