//! Names as a pod sees them: its own servers, search list and options, asked from its own network (resolv.conf(5)).

use crate::netns;
use hickory_resolver::TokioResolver;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::parse_resolv_conf;
use std::io;
use std::net::IpAddr;
use std::path::Path;

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

/// The addresses of a name, as the pod whose resolv.conf this is would find them.
pub(crate) async fn resolve(netns: Option<&Path>, resolv: &str, name: &str) -> io::Result<Vec<IpAddr>> {
    let (config, options) = parse_resolv_conf(resolv).map_err(io::Error::other)?;
    let name = name.to_owned();
    netns::enter(netns, move || {
        // Sockets are made where the thread is, so all of it happens on this one.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
            *builder.options_mut() = options;
            let resolver = builder.build().map_err(io::Error::other)?;
            let found = resolver.lookup_ip(name).await.map_err(told)?;
            Ok(found.iter().collect())
        })
    })
    .await
}

fn told(error: hickory_resolver::net::NetError) -> io::Error {
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
}
