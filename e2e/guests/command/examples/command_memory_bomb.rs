//! Takes a mebibyte after the other and never gives one back.

fn main() {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(vec![taken.len() as u8; 1 << 20]);
        std::hint::black_box(&taken);
    }
}
