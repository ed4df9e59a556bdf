//! Nothing is shared: the bindings of WASI 0.3 need no helpers to be short.
