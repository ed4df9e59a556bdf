//! The control plane's programs: etcd, API server, controller manager, scheduler, and beside them the registry and DNS. How they are
//! run; in which order they are waited for, `up` says.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cgroup::Hierarchies;
use crate::component::Component;
use crate::layout::{Layout, SERVICE_CIDR};
use crate::network::netns_file;
use crate::pki::Pki;
use crate::toolset::Programs;

/// All programs of the control plane.
pub(crate) struct Control {
    pub(crate) etcd: Component,
    pub(crate) apiserver: Component,
    pub(crate) controllers: Component,
    pub(crate) scheduler: Component,
    pub(crate) registry: Component,
    pub(crate) dns: Component,
    /// Only where it was asked for. It ends where it has no rights yet.
    pub(crate) metrics: Option<Component>,
}

impl Control {
    /// Those of a cluster.
    pub(crate) fn of(
        layout: &Layout,
        programs: &Programs,
        hierarchies: &Hierarchies,
        metrics: bool,
    ) -> anyhow::Result<Self> {
        let shop = Shop {
            layout,
            programs,
            pki: Pki::of(layout),
            folder: layout.control_folder(),
            cgroups: hierarchies.folders(&cgroup(layout)),
        };
        Ok(Self {
            etcd: shop.etcd()?,
            apiserver: shop.apiserver()?,
            controllers: shop.controllers()?,
            scheduler: shop.scheduler()?,
            registry: shop.registry(),
            dns: shop.dns()?,
            metrics: metrics.then(|| shop.metrics()).transpose()?,
        })
    }

    /// What stands on its own, in the order in which it is started.
    pub(crate) fn first(&self) -> [&Component; 3] {
        [&self.etcd, &self.registry, &self.apiserver]
    }

    /// What ends where the API server does not yet know the roles that it grants by itself.
    pub(crate) fn then(&self) -> [&Component; 3] {
        [&self.controllers, &self.scheduler, &self.dns]
    }
}

/// The cgroup of the control plane.
pub(crate) fn cgroup(layout: &Layout) -> String {
    format!("{}/control", layout.cgroup())
}

/// Where the registry answers.
pub(crate) fn registry_address(layout: &Layout) -> SocketAddr {
    (layout.control_ip(), 5000).into()
}

/// Where CoreDNS says that it is ready.
pub(crate) fn dns_address(layout: &Layout) -> SocketAddr {
    (layout.control_ip(), 8181).into()
}

/// Where the API server asks for metrics of pods and nodes.
pub(crate) const METRICS_PORT: u16 = 4443;

/// What the API server writes down of the requests of service accounts, those of Kubernetes' own parts left out.
pub(crate) fn audit_log(layout: &Layout) -> PathBuf {
    layout.control_folder().join("audit.log")
}

struct Shop<'a> {
    layout: &'a Layout,
    programs: &'a Programs,
    pki: Pki,
    folder: PathBuf,
    cgroups: Vec<PathBuf>,
}

impl Shop<'_> {
    fn component(&self, name: &str, program: PathBuf, args: Vec<OsString>) -> Component {
        let netns = netns_file(&self.layout.control_netns());
        let mut argv = vec![program.into_os_string()];
        argv.extend(args);
        Component {
            title: name.to_owned(),
            name: name.to_owned(),
            folder: self.folder.clone(),
            enter: vec!["nsenter".into(), flag("--net", &netns), "--".into()],
            cgroups: self.cgroups.clone(),
            argv,
            env: vec![("PATH", self.programs.path())],
            files: Vec::new(),
        }
    }

    fn etcd(&self) -> anyhow::Result<Component> {
        let args = vec![
            flag("--data-dir", &self.folder.join("etcd")),
            "--listen-client-urls=http://127.0.0.1:2379".into(),
            "--advertise-client-urls=http://127.0.0.1:2379".into(),
            "--listen-peer-urls=http://127.0.0.1:2380".into(),
            // The cluster does not outlive a power cut, and a disk that others write to would slow it down.
            "--unsafe-no-fsync".into(),
        ];
        Ok(self.component("etcd", self.programs.find("etcd")?, args))
    }

    fn apiserver(&self) -> anyhow::Result<Component> {
        let pki = &self.pki;
        let address = self.layout.control_ip();
        let policy = self.folder.join("audit-policy.json");
        let rule = |level: &str, group: &str| json!({"level": level, "userGroups": [group]});
        let audit = json!({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [
                rule("None", "system:serviceaccounts:kube-system"),
                rule("Metadata", "system:serviceaccounts"),
                {"level": "None"},
            ],
        });
        let args = vec![
            flag("--audit-policy-file", &policy),
            flag("--audit-log-path", &audit_log(self.layout)),
            // In megabytes, before a new one is begun: readers expect one file.
            "--audit-log-maxsize=2000".into(),
            "--audit-log-maxbackup=1".into(),
            "--etcd-servers=http://127.0.0.1:2379".into(),
            format!("--bind-address={address}").into(),
            format!("--advertise-address={address}").into(),
            "--secure-port=6443".into(),
            format!("--service-cluster-ip-range={SERVICE_CIDR}").into(),
            flag("--tls-cert-file", &pki.cert("apiserver")),
            flag("--tls-private-key-file", &pki.key("apiserver")),
            flag("--client-ca-file", &pki.cert("ca")),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
            flag("--service-account-key-file", &pki.public_key("service-accounts")),
            flag("--service-account-signing-key-file", &pki.key("service-accounts")),
            "--authorization-mode=Node,RBAC".into(),
            "--enable-admission-plugins=NodeRestriction".into(),
            "--allow-privileged=true".into(),
            flag("--kubelet-client-certificate", &pki.cert("admin")),
            flag("--kubelet-client-key", &pki.key("admin")),
            flag("--kubelet-certificate-authority", &pki.cert("ca")),
            "--kubelet-preferred-address-types=InternalIP".into(),
            // Extensions of the API are asked at their pods' addresses: no kube-proxy runs beside the API server.
            "--enable-aggregator-routing=true".into(),
            flag("--requestheader-client-ca-file", &pki.cert("front-proxy-ca")),
            "--requestheader-allowed-names=front-proxy-client".into(),
            "--requestheader-username-headers=X-Remote-User".into(),
            "--requestheader-group-headers=X-Remote-Group".into(),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-".into(),
            flag("--proxy-client-cert-file", &pki.cert("front-proxy")),
            flag("--proxy-client-key-file", &pki.key("front-proxy")),
            flag("--cert-dir", &self.folder.join("apiserver-certificates")),
        ];
        let program = self.programs.find("kube-apiserver")?;
        Ok(Component {
            files: vec![(policy, audit.to_string())],
            ..self.component("kube-apiserver", program, args)
        })
    }

    fn controllers(&self) -> anyhow::Result<Component> {
        let pki = &self.pki;
        let kubeconfig = pki.kubeconfig("controller-manager");
        let args = vec![
            flag("--kubeconfig", &kubeconfig),
            flag("--authentication-kubeconfig", &kubeconfig),
            flag("--authorization-kubeconfig", &kubeconfig),
            flag("--service-account-private-key-file", &pki.key("service-accounts")),
            flag("--root-ca-file", &pki.cert("ca")),
            flag("--cluster-signing-cert-file", &pki.cert("ca")),
            flag("--cluster-signing-key-file", &pki.key("ca")),
            "--use-service-account-credentials".into(),
            "--leader-elect=false".into(),
            flag("--cert-dir", &self.folder.join("controller-manager-certificates")),
        ];
        let program = self.programs.find("kube-controller-manager")?;
        Ok(self.component("kube-controller-manager", program, args))
    }

    fn scheduler(&self) -> anyhow::Result<Component> {
        let kubeconfig = self.pki.kubeconfig("scheduler");
        let args = vec![
            flag("--kubeconfig", &kubeconfig),
            flag("--authentication-kubeconfig", &kubeconfig),
            flag("--authorization-kubeconfig", &kubeconfig),
            "--leader-elect=false".into(),
            flag("--cert-dir", &self.folder.join("scheduler-certificates")),
        ];
        Ok(self.component("kube-scheduler", self.programs.find("kube-scheduler")?, args))
    }

    /// Debian's, which `scripts/setup.sh` installs.
    fn registry(&self) -> Component {
        let file = self.folder.join("registry.yaml");
        let config = json!({
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": true}},
            "storage": {
                "filesystem": {"rootdirectory": self.folder.join("registry")},
                "delete": {"enabled": true},
            },
            "http": {"addr": registry_address(self.layout)},
        });
        let args = vec!["serve".into(), file.clone().into_os_string()];
        Component {
            files: vec![(file, config.to_string())],
            ..self.component("registry", "docker-registry".into(), args)
        }
    }

    fn metrics(&self) -> anyhow::Result<Component> {
        let kubeconfig = self.pki.kubeconfig("metrics-server");
        let args = vec![
            flag("--kubeconfig", &kubeconfig),
            flag("--authentication-kubeconfig", &kubeconfig),
            flag("--authorization-kubeconfig", &kubeconfig),
            format!("--bind-address={}", self.layout.control_ip()).into(),
            format!("--secure-port={METRICS_PORT}").into(),
            flag("--cert-dir", &self.folder.join("metrics-server-certificates")),
            "--kubelet-preferred-address-types=InternalIP".into(),
            flag("--kubelet-certificate-authority", &self.pki.cert("ca")),
            // The shortest that it takes.
            "--metric-resolution=10s".into(),
            "--kubelet-request-timeout=5s".into(),
        ];
        Ok(self.component("metrics-server", self.programs.find("metrics-server")?, args))
    }

    fn dns(&self) -> anyhow::Result<Component> {
        let file = self.folder.join("Corefile");
        let hosts = self.folder.join("hosts");
        let config = format!(
            "# Names of services, and those in the file below, which tests may write. There is nothing outside.\n\
             .:53 {{\n\
             \x20   bind {address}\n\
             \x20   errors\n\
             \x20   ready {ready}\n\
             \x20   hosts {hosts} {{\n\
             \x20       ttl 1\n\
             \x20       reload 1s\n\
             \x20       fallthrough\n\
             \x20   }}\n\
             \x20   kubernetes cluster.local in-addr.arpa ip6.arpa {{\n\
             \x20       kubeconfig {kubeconfig}\n\
             \x20       pods insecure\n\
             \x20       ttl 1\n\
             \x20   }}\n\
             }}\n",
            address = self.layout.control_ip(),
            ready = dns_address(self.layout),
            hosts = hosts.display(),
            kubeconfig = self.pki.kubeconfig("coredns").display(),
        );
        let args = vec!["-conf".into(), file.clone().into_os_string()];
        Ok(Component {
            files: vec![(file, config)],
            ..self.component("coredns", self.programs.find("coredns")?, args)
        })
    }
}

/// `--name=path`.
pub(crate) fn flag(name: &str, path: &Path) -> OsString {
    let mut flag = OsString::from(name);
    flag.push("=");
    flag.push(path);
    flag
}
