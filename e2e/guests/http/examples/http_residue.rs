//! Looks for what other instances left behind. `?write=1` fills all the memory that it has and can get up to 24 MiB with a mark;
//! without it all of these 24 MiB are searched for the mark: "clean" is the answer, or 500 and where it was found.

use core::arch::wasm32::{memory_grow, memory_size};
use std::hint::black_box;

use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, answer};

guest_http::export!(handle);

const PAGE: usize = 64 << 10;
const PAGES: usize = 24 * 16;

/// Memory that is there from the start, beside what is grown.
static mut STATIC: [u64; 64 << 10] = [0; 64 << 10];

/// Never written down as a whole, or the search would find it in the program's own data.
fn mark() -> u64 {
    black_box(0x5f5f_5f5f_0000_0000) ^ black_box(0x3c69_d2a7)
}

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let have = memory_size::<0>();
    if have < PAGES && memory_grow::<0>(PAGES - have) == usize::MAX {
        return answer(out, 507, "no memory to search\n");
    }
    if Query::of(&request).get("write").is_some() {
        // SAFETY: this instance has one thread, the array is used nowhere else, and pages that were just grown belong to nobody:
        // the allocator takes only those that it grew itself.
        unsafe {
            let statics = (&raw mut STATIC).cast::<u64>();
            for n in 0..64 << 10 {
                statics.add(n).write_volatile(mark());
            }
            for at in (have * PAGE..memory_size::<0>() * PAGE).step_by(8) {
                (at as *mut u64).write_volatile(mark());
            }
        }
        black_box(vec![mark(); 128 << 10]);
        return answer(out, 200, "written\n");
    }
    let wanted = mark();
    let (mut marks, mut first) = (0, 0);
    for at in (8..memory_size::<0>() * PAGE).step_by(8) {
        // SAFETY: below the memory's size, and aligned.
        if unsafe { (at as *const u64).read_volatile() } == wanted {
            marks += 1;
            first = if marks == 1 { at } else { first };
        }
    }
    if marks == 0 {
        return answer(out, 200, "clean\n");
    }
    answer(
        out,
        500,
        format_args!("residue: {marks} marks, the first at {first:#x}\n"),
    );
}
