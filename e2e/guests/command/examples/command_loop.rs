//! Prints a line, then never ends.

fn main() {
    println!("before the loop");
    loop {
        std::hint::spin_loop();
    }
}
