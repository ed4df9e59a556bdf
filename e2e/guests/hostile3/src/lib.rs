//! Nothing is shared: what only WASI 0.3 makes possible stands in each example.
