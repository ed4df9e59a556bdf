//! Which programs a cluster is made of, as data. The versions stand in `tools/*/go.mod`, and each byte they are built from in `go.sum`
//! beside it. Building them is done in `toolset`.

/// Programs that are built from one list of modules.
pub(super) struct Set {
    pub(super) name: &'static str,
    pub(super) how: How,
    /// Not built unless asked for.
    pub(super) lazy: bool,
    /// What it is built from: names and contents, written out for the build.
    pub(super) sources: &'static [(&'static str, &'static str)],
}

/// How programs are built.
pub(super) enum How {
    Go {
        packages: &'static [&'static str],
        /// The program's name, where the package's is another.
        program: &'static str,
        stamps: &'static [&'static str],
        tags: &'static str,
        cgo: bool,
    },
    /// A static program of one file.
    C,
}

macro_rules! go_sources {
    ($set:literal) => {
        &[
            ("go.mod", include_str!(concat!("../../tools/", $set, "/go.mod"))),
            ("go.sum", include_str!(concat!("../../tools/", $set, "/go.sum"))),
            (
                "tools.go",
                include_str!(concat!("../../tools/", $set, "/tools.go")),
            ),
        ]
    };
}

/// All of them.
pub(super) const SETS: &[Set] = &[
    Set {
        name: "kubernetes",
        how: How::Go {
            packages: &[
                "k8s.io/kubernetes/cmd/kube-apiserver",
                "k8s.io/kubernetes/cmd/kube-controller-manager",
                "k8s.io/kubernetes/cmd/kube-proxy",
                "k8s.io/kubernetes/cmd/kube-scheduler",
                "k8s.io/kubernetes/cmd/kubectl",
                "k8s.io/kubernetes/cmd/kubelet",
            ],
            program: "",
            // Without them clients see v0.0.0-master.
            stamps: &[
                "k8s.io/component-base/version.gitVersion=v1.36.3",
                "k8s.io/component-base/version.gitMajor=1",
                "k8s.io/component-base/version.gitMinor=36",
            ],
            tags: "",
            cgo: false,
        },
        lazy: false,
        sources: go_sources!("kubernetes"),
    },
    Set {
        name: "containerd",
        how: How::Go {
            packages: &[
                "github.com/containerd/containerd/v2/cmd/containerd",
                "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
                "github.com/containerd/containerd/v2/cmd/ctr",
                "github.com/containernetworking/plugins/plugins/ipam/host-local",
                "github.com/containernetworking/plugins/plugins/main/loopback",
                "github.com/containernetworking/plugins/plugins/main/ptp",
                "github.com/containernetworking/plugins/plugins/meta/portmap",
            ],
            program: "",
            stamps: &["github.com/containerd/containerd/v2/version.Version=2.4.2"],
            tags: "",
            cgo: false,
        },
        lazy: false,
        sources: go_sources!("containerd"),
    },
    Set {
        name: "runc",
        how: How::Go {
            packages: &["github.com/opencontainers/runc"],
            program: "",
            stamps: &["main.version=1.5.2"],
            tags: "seccomp",
            // libseccomp, and the part of runc that enters namespaces before Go starts threads.
            cgo: true,
        },
        lazy: false,
        sources: go_sources!("runc"),
    },
    Set {
        name: "etcd",
        how: How::Go {
            packages: &["go.etcd.io/etcd/server/v3"],
            program: "etcd",
            stamps: &[],
            tags: "",
            cgo: false,
        },
        lazy: false,
        sources: go_sources!("etcd"),
    },
    Set {
        name: "coredns",
        how: How::Go {
            packages: &["github.com/coredns/coredns"],
            program: "",
            stamps: &[],
            tags: "",
            cgo: false,
        },
        lazy: false,
        sources: go_sources!("coredns"),
    },
    Set {
        name: "pause",
        how: How::C,
        lazy: false,
        sources: &[("pause.c", include_str!("../../images/pause.c"))],
    },
    Set {
        name: "helm",
        how: How::Go {
            packages: &["helm.sh/helm/v3/cmd/helm"],
            program: "",
            // Without them it takes 1.20 for the newest Kubernetes where no cluster is asked (`helm template`).
            stamps: &[
                "helm.sh/helm/v3/internal/version.version=v3.22.0",
                "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1",
                "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36",
                "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1",
                "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=36",
            ],
            tags: "",
            cgo: false,
        },
        lazy: true,
        sources: go_sources!("helm"),
    },
    Set {
        name: "metrics-server",
        how: How::Go {
            packages: &["sigs.k8s.io/metrics-server/cmd/metrics-server"],
            program: "",
            stamps: &[],
            tags: "",
            cgo: false,
        },
        lazy: true,
        sources: go_sources!("metrics-server"),
    },
];
