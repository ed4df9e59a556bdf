//! Fills 32 MiB of its memory for ever, by an instruction that no epoch interrupts. cpuTime must stop it between two of them.

use std::hint::black_box;

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};

guest_http::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    let mut block = vec![0u8; 32 << 20];
    for byte in (0..=u8::MAX).cycle() {
        black_box(&mut block).fill(byte);
    }
}
