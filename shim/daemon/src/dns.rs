//! Names as a pod sees them: its own servers, search list and options, asked from its own network (resolv.conf(5)).

use crate::broker::CONNECT_TIMEOUT;
use crate::netns;
use hickory_resolver::config::{ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::iocompat::AsyncIoTokioAsStd;
use hickory_resolver::net::runtime::{RuntimeProvider, TokioHandle, TokioRuntimeProvider, TokioTime};
use hickory_resolver::system_conf::parse_resolv_conf;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UdpSocket};

/// Answers that are kept for one pod.
const CACHED: u64 = 512;
/// How long an answer is kept at most, whatever its server says.
const KEPT: Duration = Duration::from_secs(60);
/// How long it is kept that a name has no address: a Service that is made in this moment is to be found soon.
const KEPT_MISSING: Duration = Duration::from_secs(5);

/// A pod's `dnsConfig` in the form of resolv.conf.
pub(crate) fn resolv_conf(servers: &[String], searches: &[String], options: &[String]) -> String {
    let mut text = String::new();
    for server in servers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    for (word, values) in [("search", searches), ("options", options)] {
        if !values.is_empty() {
            text.push_str(&format!("{word} {}\n", values.join(" ")));
        }
    }
    text
}

/// How the names of one pod are resolved: by its own servers, asked from its own network. Answers are kept, so one server is asked once for
/// a name that many ask for one after the other.
pub(crate) struct Resolver(hickory_resolver::Resolver<PodNetwork>);

impl Resolver {
    /// For the pod with the network namespace `netns` and this resolv.conf.
    pub(crate) fn new(netns: Option<&Path>, resolv: &str) -> io::Result<Self> {
        let (config, options) = parse_resolv_conf(resolv).map_err(io::Error::other)?;
        Self::with(netns, config, options)
    }

    fn with(netns: Option<&Path>, config: ResolverConfig, options: ResolverOpts) -> io::Result<Self> {
        let network = PodNetwork {
            netns: netns.map(Arc::from),
            tokio: TokioRuntimeProvider::default(),
        };
        let mut builder = hickory_resolver::Resolver::builder_with_config(config, network);
        let mut options = options;
        options.cache_size = CACHED;
        options.positive_max_ttl = Some(KEPT);
        options.negative_max_ttl = Some(KEPT_MISSING);
        // The node's file says nothing about pods.
        options.use_hosts_file = ResolveHosts::Never;
        *builder.options_mut() = options;
        Ok(Self(builder.build().map_err(io::Error::other)?))
    }

    /// The addresses of a name.
    pub(crate) async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = self.0.lookup_ip(name).await.map_err(to_io_error)?;
        Ok(found.iter().collect())
    }
}

/// Where the sockets are made by which a pod's servers are asked.
#[derive(Clone)]
struct PodNetwork {
    netns: Option<Arc<Path>>,
    tokio: TokioRuntimeProvider,
}

type Connecting<T> = Pin<Box<dyn Send + Future<Output = io::Result<T>>>>;

impl RuntimeProvider for PodNetwork {
    type Handle = TokioHandle;
    type Timer = TokioTime;
    type Udp = UdpSocket;
    type Tcp = AsyncIoTokioAsStd<TcpStream>;

    fn create_handle(&self) -> Self::Handle {
        self.tokio.create_handle()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        from: Option<SocketAddr>,
        limit: Option<Duration>,
    ) -> Connecting<Self::Tcp> {
        let netns = self.netns.clone();
        Box::pin(async move {
            let connecting = netns::connect(netns.as_deref(), from, server);
            let limit = limit.unwrap_or(CONNECT_TIMEOUT);
            Ok(AsyncIoTokioAsStd(tokio::time::timeout(limit, connecting).await??))
        })
    }

    fn bind_udp(&self, from: SocketAddr, _: SocketAddr) -> Connecting<Self::Udp> {
        let netns = self.netns.clone();
        Box::pin(async move { netns::datagrams(netns.as_deref(), from).await })
    }
}

fn to_io_error(error: hickory_resolver::net::NetError) -> io::Error {
    let kind = if error.is_no_records_found() || error.is_nx_domain() {
        io::ErrorKind::NotFound
    } else {
        io::ErrorKind::Other
    };
    io::Error::new(kind, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_pods_configuration_is_a_resolv_conf() {
        let text = resolv_conf(
            &["10.96.0.10".to_owned()],
            &[
                "default.svc.cluster.local".to_owned(),
                "svc.cluster.local".to_owned(),
            ],
            &["ndots:5".to_owned()],
        );
        let (config, options) = parse_resolv_conf(&text).unwrap();
        assert_eq!(config.name_servers().len(), 1);
        assert_eq!(config.search().len(), 2);
        assert_eq!(options.ndots, 5);
    }

    /// A server that knows each name of two labels, for `ttl` seconds; how often it was asked for IPv4.
    fn server(ttl: u32) -> (SocketAddr, Arc<AtomicUsize>) {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut packet = [0; 1500];
            while let Ok((_, from)) = socket.recv_from(&mut packet) {
                // RFC 1035, section 4: a header of 12 bytes, then the question: labels up to an empty one, type, class.
                let labels = packet[12..].iter().position(|byte| *byte == 0).unwrap();
                let question = &packet[12..12 + labels + 5];
                let v4 = question[labels + 1..labels + 3] == [0, 1];
                count.fetch_add(usize::from(v4), Ordering::Relaxed);
                let mut answer = vec![packet[0], packet[1], 0x84, 0, 0, 1, 0, u8::from(v4), 0, 0, 0, 0];
                answer.extend(question);
                if v4 {
                    answer.extend([0xc0, 12, 0, 1, 0, 1]);
                    answer.extend(ttl.to_be_bytes());
                    answer.extend([0, 4, 192, 0, 2, 7]);
                }
                socket.send_to(&answer, from).unwrap();
            }
        });
        (address, asked)
    }

    fn resolver(server: SocketAddr) -> Resolver {
        let mut connection = ConnectionConfig::udp();
        connection.port = server.port();
        let server = NameServerConfig::new(server.ip(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        Resolver::with(None, config, ResolverOpts::default()).unwrap()
    }

    #[tokio::test]
    async fn an_answer_is_kept_as_long_as_it_says() {
        let found: Vec<IpAddr> = vec!["192.0.2.7".parse().unwrap()];
        let (address, asked) = server(60);
        let kept = resolver(address);
        for _ in 0..10 {
            assert_eq!(kept.resolve("example.com").await.unwrap(), found);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(kept.resolve("example.org").await.unwrap(), found);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        let (address, asked) = server(0);
        let not_kept = resolver(address);
        for _ in 0..3 {
            assert_eq!(not_kept.resolve("example.com").await.unwrap(), found);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }
}
