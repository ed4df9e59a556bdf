//! Whole machines for tests, for what a network namespace can't show: systemd, cgroup v2, a containerd that a distribution packaged.
//! Debian in qemu, without KVM. What is shown on them is in `tests/` and `guest/`.

mod base;
mod machine;
mod pause;

pub use base::Base;
pub use machine::{Brought, run};
pub use pause::archive as pause_archive;
