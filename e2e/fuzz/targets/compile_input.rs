//! What the compiler's child process does with an artifact, in this process: tell what it is, adapt a core module, describe
//! it, compile it. None of it may crash or run away, whatever the bytes. Limits of the process itself are tested in
//! `host/compile`.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};

/// Larger inputs only repeat themselves, and Cranelift takes its time.
const MAX_BYTES: usize = 16 << 10;

fuzz_target!(|artifact: &[u8]| -> Corpus {
    if artifact.len() > MAX_BYTES {
        return Corpus::Reject;
    }
    if let Ok((description, code)) = shoal_compile::child::compile(artifact) {
        assert!(!code.is_empty(), "compiled to nothing: {description:?}");
    }
    Corpus::Keep
});
