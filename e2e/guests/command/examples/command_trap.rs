//! Prints a line, then panics: a trap, since panics abort.

fn main() {
    println!("before the trap");
    panic!("as asked");
}
