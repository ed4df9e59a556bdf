//! Nothing is shared: one command shows that the world of WASI 0.3 runs.
